// What the tab opens on: the run with the worst problem, where and when its first one began.

// Rules from the worst on; of others nothing is known.
const WORST_FIRST = ['nonfinite', 'dead', 'vanishing', 'exploding', 'collapsed', 'stalled', 'saturated'];

// Problems are asked of so many runs at most before the first picture.
const MOST_ASKED = 20;

/** Rank of a problem, 0 for the worst. */
export function rankOf(problem) {
  const place = WORST_FIRST.indexOf(problem.rule);
  return place < 0 ? WORST_FIRST.length : place;
}

/** The earliest problem, of those the worst: it has led to the rest. */
function firstOf(problems) {
  return [...problems].sort((a, b) => a.step - b.step || rankOf(a) - rankOf(b))[0];
}

/**
 * What to open on.
 *
 * @param {object[]} runs  As the server tells them.
 * @param {function} problems  Asks for the problems of a run.
 * @returns {object|null}  `{run, problem}`; the last run and no problem where all is well.
 */
export async function opening(runs, problems) {
  const watched = runs.filter(({sections}) => Object.keys(sections).some((name) => name !== 'histograms'));
  if (!watched.length) return null;
  const sick = [];
  await Promise.all(
    watched.slice(-MOST_ASKED).map(async ({name}) => {
      const {problems: found} = await problems(name).catch(() => ({problems: []}));
      if (found.length) sick.push({run: name, rank: Math.min(...found.map(rankOf)), problem: firstOf(found)});
    }),
  );
  const before = (a, b) => a.rank - b.rank || a.problem.step - b.problem.step || (a.run < b.run ? -1 : 1);
  const worst = sick.sort(before)[0];
  return worst ?? {run: watched[watched.length - 1].name, problem: null};
}
