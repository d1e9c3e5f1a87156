"""How clients reach a router: the only part that knows Starlette."""
