import type { ComponentProps, ReactNode } from "react";

interface IconButtonProps extends Omit<ComponentProps<"button">, "type" | "aria-label" | "title"> {
  /** Its name, shown as a tooltip. */
  readonly label: string;
}

/** A button that is an icon. */
export function IconButton({ label, className, ...rest }: IconButtonProps): ReactNode {
  const classes = className === undefined ? "icon-button" : `icon-button ${className}`;
  return <button type="button" className={classes} aria-label={label} title={label} {...rest} />;
}
