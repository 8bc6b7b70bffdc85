using System.Globalization;
using Bursar.Api;
using Bursar.Core.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Bursar.Demo;

/// <summary>
/// The demo's picture for a terminal of a given size. Rows never wrap: bars shrink and names are cut, down to 80 columns, so that the
/// number of lines is known and the newest log lines fill the rest of the height.
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
        var work = known
            .SelectMany(budget => (budget.Status!.Workloads ?? []).Select(one => (Namespace: budget.Metadata.Namespace ?? "", Work: one)))
            .ToArray();
        // The last line stays free: a picture as high as the terminal scrolls.
        var room = height - 1 - FixedLines;
        var shown = work.Take(Math.Max(1, room - known.Length - 3)).ToArray();
        var title = $"Bursar demo  {now:yyyy-MM-dd HH:mm:ss}Z by the cluster's clock  (Ctrl-C ends it)";
        return new Rows(
            new Text(Cut(title, width), new Style(decoration: Decoration.Bold)),
            Budgets(width, known),
            new Text(""),
            Work(width, now, shown),
            new Text(""),
            new Text(LinesThatFit(lines, width, room - known.Length - shown.Length))
        );
    }

    /// <summary>An amount with two digits; what is no amount as it is.</summary>
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

    private static Table Work(int width, DateTimeOffset now, (string Namespace, GpuBudgetWorkload Work)[] work)
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

    /// <summary>The width of all columns, each with a space behind it.</summary>
    private static int Columns(string[] heads, string[][] cells) => heads.Select((head, i) => Width(head, cells, i) + 1).Sum();

    private static int Width(string head, string[][] cells, int column) =>
        Math.Max(head.Length, cells.Select(row => row[column].Length).DefaultIfEmpty().Max());

    /// <summary>The hour of the same day, else with its date.</summary>
    private static string Time(string? text, DateTimeOffset now) =>
        Rfc3339.TryParse(text, out var time)
            ? time.ToString(time.Date == now.Date ? "HH:mm" : "MM-dd HH:mm", CultureInfo.InvariantCulture)
            : text ?? "";

    private static string Cut(string text, int width) => text.Length <= width ? text : text[..Math.Max(0, width - 1)] + "…";

    /// <summary>The newest lines, as many as there is room for.</summary>
    private static string LinesThatFit(IReadOnlyList<string> lines, int width, int room)
    {
        var fitting = new List<string>();
        foreach (var line in lines.Reverse())
        {
            // Words wrap a little earlier than the last column.
            room -= 1 + line.Length / Math.Max(1, width - 12);
            if (room < 0)
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
