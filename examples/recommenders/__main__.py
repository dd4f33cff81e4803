"""Train one recommender once, under one of three starts, and print what came of it.

python examples/recommenders deepfm --data clicks --init ours
"""

# isort: off
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import quiet  # noqa: F401

# isort: on
import argparse
import importlib

import clicks
import data as sources
import retrieval
from starts import STARTS

CLICK_MODELS = ("neumf", "wide_deep", "deepfm", "dcn", "dlrm")
RANKING_MODELS = ("two_tower", "sasrec")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=[*CLICK_MODELS, *RANKING_MODELS])
    parser.add_argument("--data", choices=clicks.DATA, default="movielens")
    parser.add_argument("--path", help="a local copy of MovieLens: u.data or ml-100k.inter")
    parser.add_argument("--init", choices=STARTS, default="ours")
    parser.add_argument("--epochs", type=int, help="3, and 20 where items are ranked")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    module = importlib.import_module(options.model)
    print(f"{options.model}, start: {options.init}")
    (train_clicks if options.model in CLICK_MODELS else train_ranking)(module, options)


def train_clicks(module, options):
    data = clicks.DATA[options.data](options.path)
    model = clicks.started(module, options.init, data, options.seed)
    told = clicks.trained(model, data, options.epochs or 3, options.seed)
    print(f"{data.name}: {len(data.train_y):,} rows")
    alone = clicks.loss_of_base_rate(data)
    print(f"before training: log loss {told['losses'][0]:.4f}, of the base rate {alone:.4f}")
    best = told["best"]
    told = {name: told[name][best] for name in ("steps", "losses", "aucs")}
    print(f"best after {told['steps']} steps: {told['losses']:.4f}, AUC {told['aucs']:.4f}")


def train_ranking(module, options):
    ratings = sources.movielens(options.path, test_share=0.2)
    model = retrieval.started(module, options.init, ratings, options.seed)
    told = retrieval.trained(module, model, ratings, options.epochs or 20, options.seed)
    print(f"MovieLens-100K: {len(ratings.item):,} ratings, {told['pairs']} later items to find")
    print(f"before training: loss {told['losses'][0]:.4f}, after it {told['losses'][-1]:.4f}")
    print(f"best epoch {told['best']}: HR@10 {told['hr']:.4f}, NDCG@10 {told['ndcg']:.4f}")


if __name__ == "__main__":
    main()
