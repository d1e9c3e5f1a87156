import { type ReactNode, useId } from "react";
import { useTools } from "tidewire-client/react";

import { ToolIcon } from "../ui/icons.js";
import { choose, useChoice } from "./choice.js";

/** Which tools the model may call. */
export function ToolPicker(): ReactNode {
  const tools = useTools();
  const { toolsOff } = useChoice();
  const id = useId();
  if (tools.length === 0) return null;

  const on = tools.filter(({ name }) => !toolsOff.includes(name));
  const turn = (name: string, isOn: boolean): void =>
    choose({
      toolsOff: isOn ? toolsOff.filter((each) => each !== name) : [...toolsOff, name],
      tools: tools.map((tool) => tool.name),
    });

  return (
    <>
      <button type="button" className="quiet-button tool-button" popoverTarget={id}>
        <ToolIcon />
        Tools
        <span className="count">
          {on.length}
          <span className="visually-hidden"> of {tools.length} on</span>
        </span>
      </button>
      <div id={id} popover="auto" className="tool-picker" role="group" aria-label="Tools the model may call">
        {tools.map(({ name, description }) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={!toolsOff.includes(name)}
              onChange={(event) => turn(name, event.target.checked)}
            />
            <span>
              <code>{name}</code>
              <small>{description}</small>
            </span>
          </label>
        ))}
      </div>
    </>
  );
}
