import type { ReactNode } from "react";

/** Lines on a grid of 20 by 20, in the colour of the text around them. */
function icon(...paths: readonly string[]): () => ReactNode {
  return function Icon() {
    return (
      <svg className="icon" viewBox="0 0 20 20" aria-hidden="true">
        {paths.map((path) => (
          <path key={path} d={path} />
        ))}
      </svg>
    );
  };
}

export const AlertIcon = icon("M10 3.5 18 17H2Z", "M10 8.5v4", "M10 14.7v.1");
export const ArrowDownIcon = icon("M10 4v12", "m5 11 5 5 5-5");
export const CheckIcon = icon("m4 10.5 4 4 8-9");
export const ChevronIcon = icon("m7 5 5 5-5 5");
export const CloseIcon = icon("m5 5 10 10", "M15 5 5 15");
export const CopyIcon = icon("M7 7h9v9H7Z", "M13 7V4H4v9h3");
export const EditIcon = icon("M4 16v-3l9-9 3 3-9 9Z", "m11 6 3 3");
export const MenuIcon = icon("M3 6h14", "M3 10h14", "M3 14h14");
export const MoonIcon = icon("M16 12.5A7 7 0 0 1 7.5 4a6.5 6.5 0 1 0 8.5 8.5Z");
export const PlusIcon = icon("M10 4v12", "M4 10h12");
export const RegenerateIcon = icon("M16 10a6 6 0 1 1-1.8-4.3", "M16.5 3v3.5H13");
export const SearchIcon = icon("M9 4a5 5 0 1 1 0 10A5 5 0 0 1 9 4Z", "m13 13 4 4");
export const SendIcon = icon("M10 16V4", "m5 9 5-5 5 5");
export const SunIcon = icon("M10 7a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z", "M10 2.5v1.5M10 16v1.5M2.5 10h1.5M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M15.3 4.7l-1 1M5.7 14.3l-1 1");
export const ToolIcon = icon("M12.5 3.5a4 4 0 0 0-4 5L3 14l3 3 5.5-5.5a4 4 0 0 0 5-5L14 9l-2.5-.5L11 6Z");
export const TrashIcon = icon("M4 6h12", "M8 6V3.5h4V6", "m5.5 6 .7 10.5h7.6L14.5 6");

/** A filled square. */
export function StopIcon(): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true">
      <rect className="filled" x="5.5" y="5.5" width="9" height="9" rx="1.5" />
    </svg>
  );
}

/** The mark of the page: two waves. */
export function MarkIcon(): ReactNode {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <path d="M6 12.5c3.3-3.4 6.7-3.4 10 0s6.7 3.4 10 0" />
      <path d="M6 20.5c3.3-3.4 6.7-3.4 10 0s6.7 3.4 10 0" opacity=".6" />
    </svg>
  );
}
