using System.Text.Json.Nodes;

namespace Bursar.Operator.Cluster;

/// <summary>Reads who last wrote a field from an object's <c>metadata.managedFields</c>.</summary>
internal static class FieldOwner
{
    /// <summary>The field manager that the API server derives from Bursar's User-Agent.</summary>
    private const string Own = "bursar";

    /// <summary>
    /// Returns the field manager that last set a field. Null if it was Bursar or if no manager has the field, for example after its
    /// removal.
    /// </summary>
    /// <param name="obj">The object as returned by the API server.</param>
    /// <param name="field">JSON pointer.</param>
    public static string? LastOf(JsonNode? obj, string field) =>
        ManagersOf(obj, field).FirstOrDefault() is { Length: > 0 } manager && manager != Own ? manager : null;

    /// <summary>Whether Bursar set a field and no other client has set it since.</summary>
    public static bool IsOwn(JsonNode? obj, string field) => ManagersOf(obj, field).FirstOrDefault() == Own;

    /// <summary>
    /// Whether a field has not been written since the object was created. Defaults and webhooks count as part of the creation.
    /// </summary>
    public static bool IsAsCreated(JsonNode? obj, string field) =>
        obj?["metadata"]?["managedFields"] is JsonArray entries
        && entries.Where(entry => Has(entry?["fieldsV1"], field)).ToArray() is { Length: > 0 } owners
        && owners.All(entry => (string?)entry!["time"] == (string?)obj["metadata"]!["creationTimestamp"]);

    /// <summary>Returns the managers of a field, the latest first.</summary>
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
