using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Tables;

/// <summary>The table of a custom kind: the name and the columns of its CRD.</summary>
internal static class CustomTable
{
    public static TableLayout Layout(IReadOnlyList<ColumnInfo> columns)
    {
        // CRDs with an invalid path are refused, so parsing succeeds.
        var paths = columns.Select(c => JsonPath.Parse(c.JsonPath)).ToArray();
        return new TableLayout([TableLayout.NameColumn, .. columns], (source, now) =>
        {
            var cells = new JsonNode?[columns.Count + 1];
            cells[0] = Cells.Name(source);
            for (var i = 0; i < columns.Count; i++)
            {
                cells[i + 1] = Cell(columns[i].Type, paths[i].Find(source), now);
            }

            return cells;
        });
    }

    private static JsonNode? Cell(string type, IReadOnlyList<JsonNode> found, DateTimeOffset now)
    {
        if (found.Count == 0)
        {
            return null;
        }

        var first = found[0];
        var kind = first.GetValueKind();
        switch (type)
        {
            case "string":
                return first.Text();
            case "integer" when kind == JsonValueKind.Number && SchemaNumbers.TryDecimal(first, out var whole):
                return decimal.Truncate(whole) is var truncated && truncated is >= long.MinValue and <= long.MaxValue
                    ? (long)truncated
                    : null;
            case "number" when kind == JsonValueKind.Number:
                return first.DeepClone();
            case "boolean" when kind is JsonValueKind.True or JsonValueKind.False:
                return first.DeepClone();
            case "date" when kind == JsonValueKind.String:
                return Cells.TryTime(first, out var time) ? HumanDuration.Format(now - time) : "<invalid>";
            default:
                // A value of another type than the column is shown as missing.
                return null;
        }
    }
}
