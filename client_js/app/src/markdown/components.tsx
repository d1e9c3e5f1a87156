import type { Element } from "hast";
import type { ComponentProps, ReactNode } from "react";
import type { Components, UrlTransform } from "react-markdown";

import { CodeBlock } from "./CodeBlock.js";

/** What a model links to is its own choice: only these may be followed. */
const FOLLOWED = /^(?:https?:|mailto:)/i;

/** Leaves nothing in `href` and `src` but addresses that may be followed. */
export const safeUrl: UrlTransform = (url) => (FOLLOWED.test(url) ? url : "");

function ExternalLink({ href, children }: { readonly href?: string | undefined; readonly children?: ReactNode }): ReactNode {
  if (href === undefined || href === "") return <>{children}</>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

/** Images are not loaded: they would tell somebody that the message is being read. */
function UnloadedImage({ src, alt }: ComponentProps<"img">): ReactNode {
  const label = alt === undefined || alt === "" ? "image" : alt;
  return <ExternalLink href={typeof src === "string" ? src : undefined}>{label}</ExternalLink>;
}

/** Wide tables scroll by themselves. */
export function ScrollingTable({ children }: { readonly children?: ReactNode }): ReactNode {
  return (
    <div className="table-box" role="group" aria-label="Table" tabIndex={0}>
      <table dir="auto">{children}</table>
    </div>
  );
}

/** Code within a list item or quotation; top-level code does not come by here. */
function NestedCode({ node }: { readonly node?: Element | undefined }): ReactNode {
  const code = node?.children.find((child): child is Element => child.type === "element");
  const names = code?.properties["className"];
  const name = Array.isArray(names) ? names.find((each) => String(each).startsWith("language-")) : undefined;
  const text = code?.children.map((child) => (child.type === "text" ? child.value : "")).join("") ?? "";
  return <CodeBlock code={text.replace(/\n$/, "")} language={String(name ?? "").slice("language-".length)} closed />;
}

function Checkbox({ checked }: ComponentProps<"input">): ReactNode {
  return <input type="checkbox" checked={checked === true} disabled aria-label={checked === true ? "done" : "to do"} />;
}

/** A message's headings come below the page's own. Its first three levels are one: models begin with any of them. */
const headings = Object.fromEntries(
  (["h1", "h2", "h3", "h4", "h5", "h6"] as const).map((name, index) => {
    const Tag = `h${Math.max(index + 1, 3)}` as "h3";
    const Heading = ({ dir, children }: ComponentProps<"h3">): ReactNode => (
      <Tag className={`heading-${index + 1}`} dir={dir}>
        {children}
      </Tag>
    );
    return [name, Heading];
  }),
);

export const components: Components = {
  ...headings,
  a: ({ href, children }) => <ExternalLink href={href}>{children}</ExternalLink>,
  img: UnloadedImage,
  table: ScrollingTable,
  pre: NestedCode,
  input: Checkbox,
};
