using System.Globalization;
using Bursar.Api;
using Bursar.Core.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Bursar.Demo;

/// <summary>
/// Draws the demo's screen for a terminal of a given size. Down to 80 columns rows do not wrap, because bars shrink and names are cut.
/// So the number of lines is known, and the latest log lines fill the remaining height.
/// </summary>
internal static class DemoPicture
{
    private const int LongestBar = 32;
    private const int ShortestBar = 4;

    /// <summary>Title, two headings and two empty lines.</summary>
    private const int FixedLines = 5;

    public static IRenderable Draw(
        int width,
        int height,
        DateTimeOffset now,
        IReadOnlyList<V1Alpha1GpuBudget> budgets,
        IReadOnlyList<string> lines
    )
    {
        var known = budgets.Where(budget => budget.Status is { Limit: not null }).ToArray();
        var workloads = known
            .SelectMany(budget => (budget.Status!.Workloads ?? []).Select(one => (Namespace: budget.Metadata.Namespace ?? "", Work: one)))
            .ToArray();
        // Leave the last line empty, because a picture of the terminal's height scrolls.
        var remaining = height - 1 - FixedLines;
        var shown = workloads.Take(Math.Max(1, remaining - known.Length - 3)).ToArray();
        var title = $"Bursar demo  {now:yyyy-MM-dd HH:mm:ss}Z by the cluster's clock  (Ctrl-C ends it)";
        return new Rows(
            new Text(Cut(title, width), new Style(decoration: Decoration.Bold)),
            Budgets(width, known),
            new Text(""),
            Workloads(width, now, shown),
            new Text(""),
            new Text(LinesThatFit(lines, width, remaining - known.Length - shown.Length))
        );
    }

    /// <summary>Formats an amount with two digits. Other text is returned unchanged.</summary>
    public static string Short(string? amount) =>
        decimal.TryParse(amount, CultureInfo.InvariantCulture, out var value)
            ? value.ToString("0.00", CultureInfo.InvariantCulture)
            : amount ?? "";

    private static Table Budgets(int width, V1Alpha1GpuBudget[] budgets)
    {
        string[][] cells =
        [
            .. budgets.Select(budget =>
                new[]
                {
                    $"{budget.Metadata.Namespace}/{budget.Metadata.Name}",
                    "",
                    Short(budget.Status!.Spent),
                    Short(budget.Status.Projected),
                    Short(budget.Status.Limit),
                    Short(budget.Status.BurnRatePerHour),
                    budget.Status.State ?? "",
                }
            ),
        ];
        string[] heads = ["BUDGET", "", "SPENT", "PROJECTED", "LIMIT", "BURN/H", "STATE"];
        var others = Columns(heads, cells);
        var bar = Math.Clamp(width - others - 1, ShortestBar, LongestBar);
        var table = New(heads);
        foreach (var (budget, row) in budgets.Zip(cells))
            table.AddRow([
                new Text(Cut(row[0], Math.Max(8, width - (others - Width(heads[0], cells, 0)) - bar - 1))),
                Bar(budget.Status!, bar),
                .. row[2..6].Select(cell => new Text(cell)),
                new Text(row[6], budget.Status!.State == "OnTrack" ? Color.Green : Color.Yellow),
            ]);
        return table;
    }

    private static Table Workloads(int width, DateTimeOffset now, (string Namespace, GpuBudgetWorkload Work)[] work)
    {
        string[][] cells =
        [
            .. work.Select(one =>
                new[]
                {
                    one.Namespace,
                    $"{one.Work.Kind}/{one.Work.Name}",
                    one.Work.State ?? "",
                    (one.Work.Gpus ?? 0).ToString(CultureInfo.InvariantCulture),
                    Short(one.Work.Spent),
                    Short(one.Work.Projected),
                    Time(one.Work.Eta?.Likely, now),
                }
            ),
        ];
        string[] heads = ["NAMESPACE", "WORK", "STATE", "GPUS", "SPENT", "PROJECTED", "ENDS ABOUT"];
        var spare = width - (Columns(heads, cells) - Width(heads[1], cells, 1));
        var table = New(heads);
        foreach (var row in cells)
            table.AddRow([
                new Text(row[0]),
                new Text(Cut(row[1], Math.Max(8, spare))),
                new Text(row[2], row[2] == "Running" ? Color.Default : Color.Yellow),
                .. row[3..].Select(cell => new Text(cell)),
            ]);
        return table;
    }

    private static Table New(string[] heads)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var head in heads)
            table.AddColumn(new TableColumn(new Text(head)).NoWrap().PadLeft(0).PadRight(1));
        return table;
    }

    /// <summary>Returns the width of all columns, each followed by a space.</summary>
    private static int Columns(string[] heads, string[][] cells) => heads.Select((head, i) => Width(head, cells, i) + 1).Sum();

    private static int Width(string head, string[][] cells, int column) =>
        Math.Max(head.Length, cells.Select(row => row[column].Length).DefaultIfEmpty().Max());

    /// <summary>Formats a time, with its date if it is on another day.</summary>
    private static string Time(string? text, DateTimeOffset now) =>
        Rfc3339.TryParse(text, out var time)
            ? time.ToString(time.Date == now.Date ? "HH:mm" : "MM-dd HH:mm", CultureInfo.InvariantCulture)
            : text ?? "";

    private static string Cut(string text, int width) => text.Length <= width ? text : text[..Math.Max(0, width - 1)] + "…";

    /// <summary>Returns the latest lines that fit into the height.</summary>
    private static string LinesThatFit(IReadOnlyList<string> lines, int width, int height)
    {
        var fitting = new List<string>();
        foreach (var line in lines.Reverse())
        {
            // Lines wrap at words, a little before the last column.
            height -= 1 + line.Length / Math.Max(1, width - 12);
            if (height < 0)
                break;
            fitting.Add(line);
        }
        fitting.Reverse();
        return string.Join('\n', fitting);
    }

    private static Paragraph Bar(GpuBudgetStatus status, int width)
    {
        int Cells(long? percent) => (int)Math.Clamp((percent ?? 0) * width / 100, 0, width);
        var spent = Cells(status.Percent);
        var projected = Math.Max(spent, Cells(status.ProjectedPercent));
        return new Paragraph()
            .Append(new string('█', spent), status.Percent >= 100 ? Color.Red : Color.Green)
            .Append(new string('▒', projected - spent), status.ProjectedPercent > 100 ? Color.Red : Color.Yellow)
            .Append(new string('░', width - projected), Color.Grey);
    }
}
