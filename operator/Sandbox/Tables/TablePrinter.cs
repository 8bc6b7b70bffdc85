using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.Tables;

/// <summary>Converts objects to a <c>meta.k8s.io/v1</c> Table, which kubectl prints.</summary>
public static class TablePrinter
{
    /// <summary>Creates a table.</summary>
    /// <param name="includeObject">The part of the object in each row: <c>None</c>, <c>Metadata</c> (default) or <c>Object</c>.</param>
    /// <param name="withColumns">False for the events of a watch after the first, which have no column definitions.</param>
    /// <param name="listMeta">The metadata of the list, for paging and a following watch.</param>
    public static JsonObject Print(
        KindInfo kind,
        IEnumerable<JsonObject> objects,
        DateTimeOffset now,
        string includeObject = "Metadata",
        bool withColumns = true,
        JsonObject? listMeta = null
    )
    {
        ArgumentNullException.ThrowIfNull(kind);
        ArgumentNullException.ThrowIfNull(objects);
        var layout = LayoutOf(kind);
        var rows = new JsonArray();
        foreach (var source in objects)
        {
            rows.Add((JsonNode)Row(layout, source, now, includeObject));
        }

        var columns = new JsonArray();
        if (withColumns)
        {
            foreach (var column in layout.Columns)
            {
                columns.Add(
                    (JsonNode)
                        new JsonObject
                        {
                            ["name"] = column.Name,
                            ["type"] = column.Type,
                            ["format"] = column.Format,
                            ["description"] = column.Description,
                            ["priority"] = column.Priority,
                        }
                );
            }
        }

        return new JsonObject
        {
            ["kind"] = "Table",
            ["apiVersion"] = "meta.k8s.io/v1",
            ["metadata"] = listMeta?.DeepClone() ?? new JsonObject(),
            ["columnDefinitions"] = columns,
            ["rows"] = rows,
        };
    }

    private static JsonObject Row(TableLayout layout, JsonObject source, DateTimeOffset now, string includeObject)
    {
        var cells = new JsonArray();
        foreach (var cell in layout.Row(source, now))
        {
            cells.Add(cell);
        }

        var row = new JsonObject { ["cells"] = cells };
        if (layout.Conditions?.Invoke(source) is { } conditions)
        {
            row["conditions"] = conditions;
        }

        switch (includeObject)
        {
            case "None":
                break;
            case "Object":
                row["object"] = source.DeepClone();
                break;
            default:
                row["object"] = new JsonObject
                {
                    ["kind"] = "PartialObjectMetadata",
                    ["apiVersion"] = "meta.k8s.io/v1",
                    ["metadata"] = source["metadata"]?.DeepClone() ?? new JsonObject(),
                };
                break;
        }

        return row;
    }

    private static TableLayout LayoutOf(KindInfo kind)
    {
        if (!kind.IsCustom && BuiltInTables.Find(kind.Group, kind.Kind) is { } layout)
        {
            return layout;
        }

        return kind.Columns.Count == 0
            ? new TableLayout([TableLayout.NameColumn, TableLayout.AgeColumn], (o, now) => [Cells.Name(o), Cells.Age(o, now)])
            : CustomTable.Layout(kind.Columns);
    }
}
