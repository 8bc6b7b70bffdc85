using System.Text.Json.Nodes;

namespace Bursar.Operator.Cluster;

/// <summary>Reads an object's <c>metadata.managedFields</c>: who set a field last.</summary>
internal static class FieldOwner
{
    /// <summary>What the API server takes from Bursar's User-Agent.</summary>
    private const string Own = "bursar";

    /// <summary>The field manager that set a field last, or that took it away: then nobody has it, and null is the answer.</summary>
    /// <param name="obj">The object as the API server gives it.</param>
    /// <param name="field">JSON pointer.</param>
    public static string? LastOf(JsonNode? obj, string field) =>
        ManagersOf(obj, field).FirstOrDefault() is { Length: > 0 } manager && manager != Own ? manager : null;

    /// <summary>Whether Bursar set a field, and nobody has set it since.</summary>
    public static bool IsOwn(JsonNode? obj, string field) => ManagersOf(obj, field).FirstOrDefault() == Own;

    /// <summary>
    /// Whether a field still is as it was when the object was made, defaults and webhooks included: nobody has written it later.
    /// </summary>
    public static bool IsAsCreated(JsonNode? obj, string field) =>
        obj?["metadata"]?["managedFields"] is JsonArray entries
        && entries.Where(entry => Has(entry?["fieldsV1"], field)).ToArray() is { Length: > 0 } owners
        && owners.All(entry => (string?)entry!["time"] == (string?)obj["metadata"]!["creationTimestamp"]);

    /// <summary>Who has the field, the last who wrote it first.</summary>
    private static IEnumerable<string?> ManagersOf(JsonNode? obj, string field) =>
        obj?["metadata"]?["managedFields"] is not JsonArray entries
            ? []
            : entries
                .Where(entry => Has(entry?["fieldsV1"], field))
                .OrderByDescending(entry => (string?)entry!["time"], StringComparer.Ordinal)
                .Select(entry => (string?)entry!["manager"]);

    private static bool Has(JsonNode? fields, string field)
    {
        foreach (var key in field.Split('/', StringSplitOptions.RemoveEmptyEntries))
            if (
                (fields = fields?["f:" + key.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)])
                is null
            )
                return false;
        return true;
    }
}
