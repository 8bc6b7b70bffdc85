using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Tables;

/// <summary>Formats the targets column of an autoscaler: the current and the target value of each metric.</summary>
internal static class AutoscalerTargets
{
    public static string Print(JsonObject autoscaler)
    {
        var metrics = autoscaler.List("spec", "metrics");
        if (metrics.Count == 0)
        {
            return Cells.None;
        }

        var current = autoscaler.List("status", "currentMetrics");
        var printed = new List<string>();
        for (var i = 0; i < metrics.Count; i++)
        {
            printed.Add(One(metrics[i], i < current.Count ? current[i] : null));
        }

        const int shown = 2;
        return printed.Count > shown
            ? $"{string.Join(", ", printed.Take(shown))} + {Cells.Plain(printed.Count - shown)} more..."
            : string.Join(", ", printed);
    }

    private static string One(JsonNode metric, JsonNode? status)
    {
        var type = metric.Text("type");
        if (type.Length == 0)
        {
            return "<unknown type>";
        }

        var name = char.ToLowerInvariant(type[0]) + type[1..];
        var source = metric.At(name);
        var target = source.At("target");
        var now = status.At(name, "current");
        var prefix = type is "Resource" or "ContainerResource" ? source.Text("name") + ": " : "";
        if (target.At("averageUtilization") is not null)
        {
            var utilization = now.At("averageUtilization") is null ? Cells.Unknown : Cells.Plain(now.Number("averageUtilization")) + "%";
            return $"{prefix}{utilization}/{Cells.Plain(target.Number("averageUtilization"))}%";
        }

        if (target.At("averageValue") is not null)
        {
            var marker = type is "External" or "Object" ? " (avg)" : "";
            return $"{prefix}{now.Text("averageValue").Or(Cells.Unknown)}/{target.Text("averageValue")}{marker}";
        }

        return $"{prefix}{now.Text("value").Or(Cells.Unknown)}/{target.Text("value").Or("<auto>")}";
    }
}
