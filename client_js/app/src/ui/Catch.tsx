import { Component, type ReactNode } from "react";

interface CatchProps {
  readonly fallback: ReactNode;
  readonly children: ReactNode;
}

/** Shows something else where a component has failed. */
export class Catch extends Component<CatchProps, { readonly hasFailed: boolean }> {
  static getDerivedStateFromError(): { readonly hasFailed: boolean } {
    return { hasFailed: true };
  }

  override state = { hasFailed: false };

  override render(): ReactNode {
    return this.state.hasFailed ? this.props.fallback : this.props.children;
  }
}
