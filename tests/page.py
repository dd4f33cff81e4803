"""What a browser would receive of the tab's routes, without a server."""

import json
from types import SimpleNamespace
from urllib.parse import urlencode

import numpy as np
from werkzeug.test import Client

from keras_initlab.board.routes import SignalPlugin
from keras_initlab.monitor.events import _summary_event, records_of, session_start


class Page:
    """What a browser would receive."""

    def __init__(self, provider):
        self.apps = SignalPlugin(SimpleNamespace(data_provider=provider)).get_plugin_apps()

    def get(self, route, **query):
        return Client(self.apps[route]).get(f"{route}?{urlencode(query)}")

    def json(self, route, **query):
        answer = self.get(route, **query)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text)

    def arrays(self, route, **query):
        answer = self.get(route, **query)
        assert answer.status_code == 200, answer.text
        size = int.from_bytes(answer.data[:4], "little")
        header = json.loads(answer.data[4 : 4 + size])
        arrays = {}
        for name, about in header.pop("arrays").items():
            start = 4 + size + about["offset"]
            assert start % 8 == 0
            count = int(np.prod(about["shape"]))
            found = np.frombuffer(answer.data, about["dtype"], count, start)
            arrays[name] = found.reshape(about["shape"])
        return arrays, header

    def error(self, route, **query):
        answer = self.get(route, **query)
        assert answer.status_code == 400
        return json.loads(answer.text)["error"]


def write_events(folder, *values):
    folder.mkdir(parents=True, exist_ok=True)
    events = [*session_start(0), *(_summary_event(step, [value]) for step, value in values)]
    (folder / "events.out.tfevents.1.test").write_bytes(records_of(events))
