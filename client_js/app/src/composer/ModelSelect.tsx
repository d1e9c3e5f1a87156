import type { ReactNode } from "react";
import { useModels } from "tidewire-client/react";

import { choose, useChoice } from "./choice.js";

/** Which model answers. */
export function ModelSelect(): ReactNode {
  const models = useModels();
  const { model } = useChoice();
  const chosen = models.find(({ id }) => id === model) ?? models.find(({ isDefault }) => isDefault) ?? models[0];
  if (chosen === undefined) return null;
  return (
    <select
      className="model-select"
      aria-label="Model"
      value={chosen.id}
      onChange={(event) => choose({ model: event.target.value })}
    >
      {models.map(({ id }) => (
        <option key={id} value={id}>
          {id}
        </option>
      ))}
    </select>
  );
}
