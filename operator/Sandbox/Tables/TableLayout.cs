using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.Tables;

/// <summary>The columns of a kind and how an object fills them; the first column is always the name.</summary>
internal sealed record TableLayout(IReadOnlyList<ColumnInfo> Columns, Func<JsonObject, DateTimeOffset, JsonNode?[]> Row)
{
    public static ColumnInfo NameColumn { get; } = new("Name", "string", "", "name", "The object's name, unique in its namespace.");

    public static ColumnInfo AgeColumn { get; } = new("Age", "string", "", "", "How long ago the object was created.");

    /// <summary>Conditions of the row itself; kubectl hides nothing by them, other clients may.</summary>
    public Func<JsonObject, JsonArray?>? Conditions { get; init; }

    public static ColumnInfo Column(string name, string description, string type = "string") => new(name, type, "", "", description);

    public static ColumnInfo Wide(string name, string description, string type = "string") => new(name, type, "", "", description, 1);
}
