"""What tests of fits that something happens to have in common."""

import logging

import pytest


@pytest.fixture
def at_pass():
    """Calls an action once, when the pass of a number over partitioned data is done."""
    logger = logging.getLogger("latentia")
    handlers, level = [], logger.level

    def plan(number, action):
        class Handler(logging.Handler):
            done = False

            def emit(self, record):
                if not self.done and record.getMessage().startswith(f"pass {number}:"):
                    self.done = True
                    action()

        handlers.append(Handler())
        logger.addHandler(handlers[-1])
        logger.setLevel(logging.INFO)

    yield plan
    logger.setLevel(level)
    for handler in handlers:
        logger.removeHandler(handler)
