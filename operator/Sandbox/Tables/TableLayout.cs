using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.Tables;

/// <summary>The columns of a kind and the function for their values. The first column is the name.</summary>
internal sealed record TableLayout(IReadOnlyList<ColumnInfo> Columns, Func<JsonObject, DateTimeOffset, JsonNode?[]> Row)
{
    public static ColumnInfo NameColumn { get; } = new("Name", "string", "", "name", "The object's name, unique in its namespace.");

    public static ColumnInfo AgeColumn { get; } = new("Age", "string", "", "", "How long ago the object was created.");

    /// <summary>Returns the conditions of a row, which kubectl ignores and other clients may use; null for none.</summary>
    public Func<JsonObject, JsonArray?>? Conditions { get; init; }

    public static ColumnInfo Column(string name, string description, string type = "string") => new(name, type, "", "", description);

    public static ColumnInfo Wide(string name, string description, string type = "string") => new(name, type, "", "", description, 1);
}
