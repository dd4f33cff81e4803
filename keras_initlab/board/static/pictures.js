// The pictures of the Signal tab, drawn from its state.

import {Arranged} from './arranged.js';
import * as data from './data.js';
import {shown} from './drawing.js';
import {drawHeatmap} from './heatmap.js';
import {drawHistograms, drawLayer} from './layerview.js';
import {MANY_ITEMS} from './folding.js';
import {drawProblems} from './problemlist.js';
import {drawProfile, told} from './profile.js';
import {readable} from './readout.js';
import {drawRuns, isWatched} from './runspanel.js';
import {stepText} from './scales.js';

/** A view that draws itself into the parts of the page; what is chosen there calls its heir. */
export class Pictures extends Arranged {
  draw() {
    if (!this.runsPart) return;
    drawRuns(
      this.runsPart,
      {runs: this.runs, selected: this.selected, focus: this.focus, filter: this.filter, health: this.health},
      {toggle: (name) => this.toggle(name), focus: (name) => this.setFocus(name)},
    );
    const found = this.shownRuns()
      .filter(isWatched)
      .map((run) => ({run: run.name, colour: run.colour, ...this.health.get(run.name)}))
      .sort((a, b) => (b.run === this.focus) - (a.run === this.focus));
    drawProblems(this.problemsPart, found, {
      go: (run, problem) => this.go(run, problem),
      copy: (text) => this.copy(text),
      open: this.openCards,
    });
    this.drawCharts();
  }

  drawCharts() {
    const lines = this.lines();
    const layers = this.layers();
    this.layer = Math.max(0, Math.min(this.layer, layers.length - 1));
    const steps = this.steps();
    const place = this.stepPlace(steps);
    this.slider.max = Math.max(0, steps.length - 1);
    this.slider.value = place;
    this.slider.setAttribute('aria-valuetext', `step ${stepText(steps[place])}`);
    this.stepText.textContent = steps.length ? `step ${stepText(steps[place])} of ${stepText(steps[steps.length - 1])}` : '';
    const leader = this.leader();
    const focused = lines.find((line) => line.name === leader?.name);
    const {statistic} = this.parts();
    const title = `${statistic.replaceAll('_', ' ')} at step ${stepText(focused?.step ?? steps[place])}`;
    const {graph, blocks} = this.arrangement();
    const view = {
      ...{layers, statistic, lines, layer: this.layer, pinned: this.pinned, title},
      ...{graph, items: this.items(), band: this.bandOf(focused), scale: this.scale},
    };
    this.foldBox.parentElement.hidden = !blocks.length || graph.order.length <= MANY_ITEMS;
    readable(this.profilePart, drawProfile(this.profilePart, view), view, {
      choose: (row) => this.change({layer: row}),
      turn: (row) => this.turn(row) && (this.change({layer: row}), true),
      zoom: (ends) => this.zoomTo(ends),
    });
    const missing = lines.filter((line) => line.missing);
    const notes = missing.map(
      (line) => `${shown(line.name)} has ${line.missing} layers that ${shown(leader.name)} does not have.`,
    );
    const words = layers.length ? told(view, layers[this.layer], this.layer).split('\n') : [];
    this.toldPart.textContent = [words.join('; '), ...notes].join(' ');
    this.drawHeat(layers, statistic);
    this.guarded(() => this.drawLayer(layers));
  }

  /** Shows the items from one place to another of those in sight; all for null. */
  zoomTo(ends) {
    const from = this.zoom?.[0] ?? 0;
    this.zoom = ends && [from + ends[0], from + ends[1]];
    this.drawCharts();
  }

  /** Shows half of the items in sight, those around the chosen layer. */
  zoomIn() {
    const items = this.items();
    const place = items.findIndex(({rows}) => rows.includes(this.layer));
    const half = Math.max(1, Math.round(items.length / 4));
    if (place >= 0) this.zoomTo([Math.max(0, place - half), Math.min(items.length - 1, place + half)]);
  }

  /** Painted anew only for other numbers; a step moves the mark alone. */
  drawHeat(layers, statistic) {
    const leader = this.leader()?.name ?? '';
    const table = this.tables.get(leader);
    this.focusName.textContent = shown(leader);
    if (!table) {
      this.heatPart.replaceChildren();
      this.painted = null;
      return;
    }
    const {graph} = this.arrangement();
    const predicted = this.theories.get(`${leader}/${statistic}`);
    const theory = predicted ? this.theoryOf(this.leader(), predicted) : null;
    const key = `${this.against} ${Boolean(theory)}`;
    if (this.painted !== table || this.paintedAgainst !== key) {
      const view = {
        ...{table, layers, statistic, name: leader},
        ...{rows: graph.order, graph, against: this.against, theory},
      };
      const choose = (look, row) => {
        this.toStep(table.steps[look]);
        this.change({layer: row});
      };
      this.moveMark = drawHeatmap(this.heatPart, view, choose);
      this.painted = table;
      this.paintedAgainst = key;
    }
    this.moveMark(table.at(this.step), this.layer);
  }

  async drawLayer(layers) {
    const name = layers[this.layer]?.name;
    this.layerName.textContent = name === undefined ? '' : shown(name, 80);
    if (name === undefined) {
      this.layerPart.replaceChildren();
      return;
    }
    const {section} = this.parts();
    const shownNames = this.shownRuns().map((run) => run.name);
    const wanted = [section, name, this.focus, this.turnOfData, this.tables.size, this.dark, this.smoothing, ...shownNames];
    const key = JSON.stringify(wanted);
    if (this.drawnLayer === key) {
      this.moveLayerMarks?.(this.step);
      return;
    }
    this.drawnLayer = key;
    this.moveLayerMarks = null;
    const found = this.shownRuns()
      .map((run) => ({run, row: this.rowsOf(run, section)[this.layer] ?? -1}))
      .filter(({row}) => row >= 0);
    let lines;
    try {
      lines = await Promise.all(
        found.map(async ({run, row}) => ({
          name: run.name,
          colour: run.colour,
          statistics: run.sections[section].statistics,
          table: await data.layer(run.name, section, row, 200),
        })),
      );
    } catch (error) {
      if (this.drawnLayer === key) this.drawnLayer = null;
      throw error;
    }
    if (this.drawnLayer !== key) return;
    const statistics = this.leader()?.sections[section]?.statistics ?? [];
    const more = this.layerPart.querySelector('details')?.open ?? false;
    const {kind} = layers[this.layer];
    this.moveLayerMarks = drawLayer(this.layerPart, {statistics, lines, kind, more, smoothing: this.smoothing});
    this.moveLayerMarks(this.step);
    const tags = this.histogramTags(name);
    this.histogramPart.parentElement.hidden = !tags.length;
    if (tags.length) await drawHistograms(this.histogramPart, this.leader().name, tags, () => this.drawnLayer === key);
    else this.histogramPart.replaceChildren();
  }

  hint(count) {
    if (!this.runs.length) {
      return 'No snapshots yet. Train with callbacks=[ActivationVarianceLogger("logs/a_run")]; the tab reloads by itself.';
    }
    const dropped = [...this.tables.values()].reduce((sum, table) => sum + table.about.dropped, 0);
    if (dropped) return `${dropped} records could not be read and are left out.`;
    return count ? '' : 'The runs shown have no snapshots of this statistic. Choose another run or statistic.';
  }

  picture() {
    return this.profilePart.querySelector('svg');
  }

  fileName() {
    return `signal-${this.parts().statistic}-step-${this.lines()[0]?.step ?? 0}`;
  }

  say(text) {
    this.message.textContent = text;
  }

  async guarded(action) {
    try {
      await action();
    } catch (error) {
      this.say(error.message);
    }
  }
}
