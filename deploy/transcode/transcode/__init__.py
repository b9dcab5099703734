"""Makes a title of an upload: CMAF for HLS and DASH, with a poster and thumbnails.

Read job.run first: it is the whole of it, in order.
"""
