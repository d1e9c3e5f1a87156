import type { Element, Root, RootContent } from "hast";

type Plugin = () => (tree: Root) => void;

/** Takes the paragraph off a piece of one. */
export const unwrapParagraphs: Plugin = () => unwrapping("p", "h1", "h2");

/** Takes the list off a single item. */
export const unwrapLists: Plugin = () => unwrapping("ul", "ol");

/** Leaves of a table what is above its rows. */
export const onlyTableHead: Plugin = () => onlyOfTable("thead");

/** Leaves the rows of a table. */
export const onlyTableRows: Plugin = () => onlyOfTable("tbody");

/** Has each of the outermost elements go where its first letter says: Arabic from the right. */
export const directed: Plugin = () => (tree) => {
  for (const node of tree.children) {
    if (node.type === "element") node.properties["dir"] = "auto";
  }
};

function onlyOfTable(name: "thead" | "tbody"): (tree: Root) => void {
  return (tree) => {
    const table = tree.children.find((node) => isElement(node, "table"));
    if (table === undefined) return;
    const part = table.children.find((node) => isElement(node, name));
    // What is between rows, a table cannot hold.
    const rows = part?.children.filter(({ type }) => type === "element") ?? [];
    tree.children = part !== undefined && name === "thead" ? [part] : rows;
  };
}

function unwrapping(...names: readonly string[]): (tree: Root) => void {
  return (tree) => {
    tree.children = tree.children.flatMap((node): RootContent[] => (isElement(node, ...names) ? node.children : [node]));
  };
}

function isElement(node: RootContent, ...names: readonly string[]): node is Element {
  return node.type === "element" && names.includes(node.tagName);
}

/** Shows a block of HTML as a paragraph of text. */
export const htmlAsText: Plugin = () => (tree) => {
  tree.children = tree.children.map((node): RootContent => {
    if (node.type !== "raw") return node;
    return { type: "element", tagName: "p", properties: {}, children: [{ type: "text", value: node.value }] };
  });
};
