-- The health of a RegistryHub: its condition Ready, once the operator has seen the newest edit.
local health = { status = "Progressing", message = "The operator has not seen the hub yet." }
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= obj.metadata.generation then
  health.message = "The operator has not seen the newest edit yet."
  return health
end
for _, condition in ipairs(status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.message
    if condition.reason == "Suspended" then
      health.status = "Suspended"
    elseif condition.status == "True" then
      health.status = "Healthy"
    elseif condition.status == "False" then
      health.status = "Degraded"
    end
  end
end
return health
