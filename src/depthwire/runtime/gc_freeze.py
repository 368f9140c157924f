"""Keep the garbage collector from pausing a program."""

import gc


def freeze_gc() -> int:
    """Collect garbage once, then exclude all remaining objects from later collections; return their number.

    A full collection visits every container object: tens of milliseconds in a large program, perhaps in the middle of a
    frame. Call this function after the setup (modules imported, clients connected, topics subscribed), so that later
    collections have little to visit. Frames add no work: the collector does not track depthwire's typed messages, and
    book frames create no container objects that outlive them. ``gc.unfreeze()`` undoes it; garbage among the frozen
    objects is not collected before that. O(objects).
    """
    gc.collect()
    gc.freeze()
    return gc.get_freeze_count()
