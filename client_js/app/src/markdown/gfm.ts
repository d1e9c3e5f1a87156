import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm as gfmSyntax } from "micromark-extension-gfm";
import type {} from "remark-parse";
import type { Processor } from "unified";

/** remark-gfm without the half of it that writes Markdown: that is 10 kB of what a first visit loads. */
export function gfm(this: Processor): void {
  const data = this.data();
  (data.micromarkExtensions ??= []).push(gfmSyntax({ singleTilde: false }));
  (data.fromMarkdownExtensions ??= []).push(gfmFromMarkdown());
}
