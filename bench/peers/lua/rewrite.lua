-- The edit of the benchmark as one writes it in Envoy's Lua filter, which has no JSON: one field is added in front of the
-- last brace. Whether the body is an object at all is not looked at, which is what this variant saves.

function envoy_on_request(handle)
  edit(handle, handle:headers())
end

function edit(handle, headers)
  local body = handle:body()
  if body == nil then
    return
  end
  local text = body:getBytes(0, body:length())
  if text:sub(-1) ~= "}" then
    handle:respond({ [":status"] = "422" }, '{"error":"not an object"}')
    return
  end
  headers:replace("content-length", body:setBytes(text:sub(1, -2) .. ',"priority":"high"}'))
end
