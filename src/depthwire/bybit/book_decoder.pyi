from depthwire.feed.book_decoder import BookDecoder

class TypedBookDecoder(BookDecoder):
    """To be subclassed in Cython, where ``message`` can be called."""
