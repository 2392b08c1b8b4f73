"""`FreDLoader` under any sequence of epochs, half epochs, saved and loaded states, against a model of the stream."""

import json

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from test_loader import epoch_of, instances, numbered

from fredfmt import FreDLoader

EPOCHS = st.integers(0, 5)


class Streams(RuleBasedStateMachine):
    """The model: an epoch, how many of its batches are gone, whether the next iteration goes on within it."""

    states = Bundle("states")

    @initialize(
        count=st.integers(1, 13),
        batch_size=st.integers(1, 6),
        shuffle=st.booleans(),
        drop_last=st.booleans(),
        seed=st.integers(0, 3),
        world_size=st.integers(1, 3),
        data=st.data(),
    )
    def make(self, count, batch_size, shuffle, drop_last, seed, world_size, data):
        self.data = numbered(count)
        self.options = {
            "batch_size": batch_size,
            "shuffle": shuffle,
            "drop_last": drop_last,
            "seed": seed,
            "world_size": world_size,
        }
        self.rank = data.draw(st.integers(0, world_size - 1))
        share = count // world_size if drop_last else -(-count // world_size)
        self.length = share // batch_size if drop_last else -(-share // batch_size)
        assume(self.length)
        self.share = share
        self.orders = {}
        self.iterator = None
        self.epoch, self.gone, self.resumed = 0, 0, False
        self.loader = FreDLoader(self.data, rank=self.rank, **self.options)

    def expected(self, epoch):
        """An epoch of this rank: from the rank on, every ``world_size``-th instance of the whole order, in batches."""
        if epoch not in self.orders:
            whole = FreDLoader(
                self.data, batch_size=len(self.data), shuffle=self.options["shuffle"], seed=self.options["seed"]
            )
            whole.set_epoch(epoch)
            self.orders[epoch] = epoch_of(whole)
        order, size = self.orders[epoch], self.options["batch_size"]
        world = self.options["world_size"]
        mine = [order[(self.rank + place * world) % len(order)] for place in range(self.share)]
        return [mine[start : start + size] for start in range(0, len(mine), size)][: self.length]

    def take(self, count):
        """Up to ``count`` batches of the open iterator are those that the model expects."""
        expected = self.expected(self.epoch)[self.gone :][:count]
        found = [batch for _, batch in zip(range(count), self.iterator, strict=False)]
        assert instances(found) == expected
        self.gone += len(expected)

    @rule(count=st.integers(1, 14))
    def begin(self, count):
        """A new iteration: the next whole epoch, or after a loaded state the rest of its epoch."""
        if not self.resumed and self.gone:
            self.epoch, self.gone = self.epoch + 1, 0
        self.resumed = False
        self.iterator = iter(self.loader)
        self.take(count)

    @precondition(lambda self: self.iterator is not None)
    @rule(count=st.integers(1, 14))
    def go_on(self, count):
        if self.gone < self.length:
            self.take(count)

    @rule(epoch=EPOCHS)
    def set_epoch(self, epoch):
        self.loader.set_epoch(epoch)
        self.iterator = None
        if not (self.resumed and epoch == self.reached()):
            self.epoch, self.gone, self.resumed = epoch, 0, False

    @rule(target=states)
    def save(self):
        return json.dumps(self.loader.state_dict()), self.epoch, self.gone

    @rule(state=states, fresh=st.booleans(), data=st.data())
    def restore(self, state, fresh, data):
        """Into this loader, or a fresh one of any rank: a state is the same on all."""
        text, self.epoch, self.gone = state
        if self.gone == self.length:
            self.epoch, self.gone = self.epoch + 1, 0
        if fresh:
            self.rank = data.draw(st.integers(0, self.options["world_size"] - 1))
            self.loader = FreDLoader(self.data, rank=self.rank, **self.options)
        self.loader.load_state_dict(json.loads(text))
        self.iterator, self.resumed = None, True

    def reached(self):
        """The epoch that the next batch belongs to."""
        return self.epoch + self.gone // self.length

    @invariant()
    def it_says_where_it_is(self):
        assert len(self.loader) == self.length
        assert self.loader.epoch == self.reached()
        state = self.loader.state_dict()
        assert (state["epoch"], state["position"]) == (self.reached(), self.gone % self.length)


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
