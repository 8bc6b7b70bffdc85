using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Merging;

/// <summary>Applies merge patches (RFC 7386): objects are merged, null removes, other values replace.</summary>
public static class MergePatch
{
    public static JsonNode? Apply(JsonNode? document, JsonNode? patch)
    {
        if (patch is not JsonObject changes)
        {
            return patch?.DeepClone();
        }

        var result = document is JsonObject present ? (JsonObject)present.DeepClone() : [];
        foreach (var (key, value) in changes)
        {
            if (value is null)
            {
                result.Remove(key);
            }
            else
            {
                result[key] = Apply(result.TryGetPropertyValue(key, out var child) ? child : null, value);
            }
        }

        return result;
    }
}
