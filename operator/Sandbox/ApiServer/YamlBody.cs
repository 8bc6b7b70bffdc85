using System.Text.Json.Nodes;
using Bursar.Kubernetes.Crds;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.ApiServer;

/// <summary>Reads the body of a request in YAML.</summary>
public static class YamlBody
{
    public static JsonNode? Parse(string text, List<string>? duplicates = null)
    {
        try
        {
            return YamlReader.ReadAll(text, duplicates).FirstOrDefault();
        }
        catch (FormatException e)
        {
            throw ApiError.BadRequest($"error parsing YAML: {e.Message}");
        }
    }
}
