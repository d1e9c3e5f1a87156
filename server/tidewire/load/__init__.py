"""A load tester for any tRPC WebSocket server: the command `tidewire load`.

It is a client of the wire and of nothing else here: it imports no server of ours. One process draws and
counts (`run`), others are the clients (`worker`), and lines of JSON on pipes are all they share.
"""
