using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Crds;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar top</c>: the budgets, or the workloads under them, with their cost. Reads the status of budgets only.
/// </summary>
internal static class TopCommand
{
    private static readonly string[] Forms = ["table", "json", "yaml", "csv"];
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var access = new ClusterAccess();
        var subject = new Argument<string>("subject") { Description = "budgets or workloads.", DefaultValueFactory = _ => "budgets" };
        subject.AcceptOnlyFromAmong("budgets", "workloads");
        var ns = new Option<string?>("--namespace", "-n")
        {
            Description = "The namespace, with the ClusterGpuBudgets that cover it; by default the context's.",
        };
        var all = new Option<bool>("--all-namespaces", "-A") { Description = "All namespaces." };
        var form = new Option<string>("--output", "-o") { Description = "table, json, yaml or csv.", DefaultValueFactory = _ => "table" };
        form.AcceptOnlyFromAmong(Forms);
        var watch = new Option<bool>("--watch", "-w") { Description = "Refresh every ten seconds, until Ctrl-C." };
        var command = new Command("top", "Show budgets by the percentage of the limit that is used, or workloads by cost per hour.")
        {
            subject,
            ns,
            all,
            form,
            watch,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(all) && result.GetValue(ns) is not null)
                result.AddError("--namespace and --all-namespaces exclude each other.");
        });
        access.AddTo(command);
        command.SetAction((parsed, cancellationToken) => access.RunAsync(parsed, async (client, bursarNamespace) =>
                {
                    var (output, errors) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
                    var space = parsed.GetValue(all) ? null : parsed.GetValue(ns) ?? client.Config.Namespace ?? "default";
                    for (var isFirst = true; ; isFirst = false)
                    {
                        var (budgets, missing) = await ReadAsync(client, bursarNamespace, space, cancellationToken);
                        var rows = parsed.GetRequiredValue(subject) == "budgets" ? Budgets(budgets) : Workloads(budgets, space);
                        // The cursor goes to the top of an empty screen, as with watch(1).
                        if (parsed.GetValue(watch) && !Console.IsOutputRedirected)
                            await output.WriteAsync("\e[H\e[2J");
                        await output.WriteAsync(Write(rows, parsed.GetRequiredValue(form)));
                        if (isFirst && missing is not null)
                            await errors.WriteLineAsync(missing);
                        if (!parsed.GetValue(watch))
                            return 0;
                        await Task.Delay(Interval, client.TimeProvider, cancellationToken);
                    }
                }));
        return command;
    }

    /// <summary>Returns the budgets of a namespace, or of all, and a note about those that the user may not read.</summary>
    /// <param name="client">The client.</param>
    /// <param name="bursarNamespace">Bursar's own namespace.</param>
    /// <param name="ns">Null for all namespaces.</param>
    /// <param name="cancellationToken">Cancels the requests.</param>
    public static async Task<(IReadOnlyList<BudgetObject> Budgets, string? Missing)> ReadAsync(
        KubeClient client,
        string bursarNamespace,
        string? ns,
        CancellationToken cancellationToken
    )
    {
        var own = (
            await ClusterAccess.WithRightAsync(
                $"list {V1Alpha1GpuBudget.PluralName}.{ApiGroup.Name}{(ns is null ? " in all namespaces" : $" in namespace {ns}")}",
                () => client.ListAsync<V1Alpha1GpuBudget>(new() { Namespace = ns }, cancellationToken)
            )
        ).Items;
        if (ns is not null)
        {
            var covering = await CoveringBudgets.ReadAsync(client, bursarNamespace, ns, [], cancellationToken);
            return ([.. own, .. covering.All.Where(budget => covering.Covering.Contains(budget.Metadata.Uid))], covering.Missing);
        }
        try
        {
            return ([.. own, .. await CoveringBudgets.ListAsync(client, cancellationToken)], null);
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            return (own, $"note: ClusterGpuBudgets are left out: {refused.Message}");
        }
    }

    /// <summary>Returns a row for each budget, the one that is used most first.</summary>
    public static Rows Budgets(IEnumerable<BudgetObject> budgets) =>
        new(
            [
                new("NAMESPACE", "namespace"),
                new("BUDGET", "budget"),
                new("STATE", "state"),
                new("SPENT", "spent", IsAmount: true),
                new("LIMIT", "limit", IsAmount: true),
                new("USED%", "percent"),
                new("PER-HOUR", "ratePerHour", IsAmount: true),
                new("PROJECTED", "projected", IsAmount: true),
                new("CURRENCY", "currency"),
                new("RUNS-OUT", "exhaustedAt"),
                new("SUSPENDED", "suspended"),
            ],
            3,
            [
                .. budgets
                    .OrderByDescending(budget => budget.Status?.Percent ?? -1)
                    .ThenBy(budget => budget.Metadata.Namespace, StringComparer.Ordinal)
                    .ThenBy(budget => budget.Metadata.Name, StringComparer.Ordinal)
                    .Select(budget =>
                        (string[])
                            [
                                NamespaceOf(budget),
                                budget.Metadata.Name,
                                budget.Status?.State ?? "",
                                budget.Status?.Spent ?? "",
                                budget.Status?.Limit ?? "",
                                Number(budget.Status?.Percent),
                                budget.Status?.BurnRatePerHour ?? "",
                                budget.Status?.Projected ?? "",
                                budget.Status?.Currency ?? "",
                                budget.Status?.ExhaustedAt ?? "",
                                Number(budget.Status?.SuspendedCount),
                            ]
                    ),
            ]
        );

    /// <summary>
    /// Returns a row for each workload, running ones first, the most expensive first. Its amounts are those of the first budget, a GpuBudget
    /// before a ClusterGpuBudget, because budgets may have different windows.
    /// </summary>
    /// <param name="ns">Only the workloads of this namespace; null for all.</param>
    public static Rows Workloads(IEnumerable<BudgetObject> budgets, string? ns) =>
        new(
            [
                new("NAMESPACE", "namespace"),
                new("WORKLOAD", "workload"),
                new("CLASS", "class"),
                new("STATE", "state"),
                new("GPUS", "gpus"),
                new("PER-HOUR", "ratePerHour", IsAmount: true),
                new("SPENT", "spent", IsAmount: true),
                new("PROJECTED", "projected", IsAmount: true),
                new("CURRENCY", "currency"),
                new("ENDS", "ends"),
                new("IDLE-SINCE", "idleSince"),
                new("BUDGETS", "budgets"),
            ],
            4,
            [
                .. budgets
                    .SelectMany(budget =>
                        (budget.Status?.Workloads ?? []).Select(workload =>
                            (Namespace: workload.Namespace ?? budget.Metadata.Namespace ?? "", Workload: workload, Budget: budget)
                        )
                    )
                    .Where(one => ns is null || one.Namespace == ns)
                    .GroupBy(one => (one.Namespace, one.Workload.Kind, one.Workload.Name))
                    .Select(group =>
                        group
                            .OrderBy(one => one.Budget is V1Alpha1ClusterGpuBudget)
                            .ThenBy(one => one.Budget.Metadata.Name, StringComparer.Ordinal)
                            .ToArray()
                    )
                    .OrderByDescending(same => same[0].Workload.State == "Running")
                    // Rates in different units cannot be compared.
                    .ThenBy(same => same[0].Budget.Status?.Currency, StringComparer.Ordinal)
                    .ThenByDescending(same => Amount.TryParse(same[0].Workload.RatePerHour, out var rate) ? rate : Amount.Zero)
                    .ThenBy(same => same[0].Namespace, StringComparer.Ordinal)
                    .ThenBy(same => same[0].Workload.Name, StringComparer.Ordinal)
                    .Select(same =>
                        (string[])
                            [
                                same[0].Namespace,
                                $"{same[0].Workload.Kind}/{same[0].Workload.Name}",
                                same[0].Workload.Class ?? "",
                                same[0].Workload.State ?? "",
                                Number(same[0].Workload.Gpus),
                                same[0].Workload.RatePerHour ?? "",
                                same[0].Workload.Spent ?? "",
                                same[0].Workload.Projected ?? "",
                                same[0].Budget.Status?.Currency ?? "",
                                same[0].Workload.Eta?.Likely ?? "",
                                same[0].Workload.IdleSince ?? "",
                                string.Join(' ', same.Select(one => BudgetId.From(one.Budget).Argument)),
                            ]
                    ),
            ]
        );

    /// <summary>Formats rows. Tables have amounts with two places, all other forms have the amounts of the status.</summary>
    public static string Write(Rows rows, string form)
    {
        var text = new StringBuilder();
        if (form == "csv")
        {
            RowText.AppendCsv(text, rows.Columns.Select(column => column.Key));
            foreach (var row in rows.Cells)
                RowText.AppendCsv(text, row);
            return text.ToString();
        }
        if (form == "table")
        {
            if (rows.Cells.Count == 0)
                return "Nothing found.\n";
            RowText.Align(
                text,
                [
                    [.. rows.Columns.Select(column => column.Title)],
                    .. rows.Cells.Select(row =>
                        row.Zip(rows.Columns, (cell, column) =>
                                column.IsAmount && Amount.TryParse(cell, out var amount) ? amount.ToShortString() : cell
                            )
                            .ToArray()
                    ),
                ],
                rows.LeftColumns
            );
            return text.ToString();
        }
        var list = new JsonArray([
            .. rows.Cells.Select(row => new JsonObject(
                rows.Columns.Zip(row)
                    .Where(pair => pair.Second.Length > 0)
                    .Select(pair => KeyValuePair.Create(pair.First.Key, (JsonNode?)pair.Second))
            )),
        ]);
        return form == "yaml" ? YamlText.Write(list).TrimEnd() + "\n" : list.ToJsonString(ExplainCommand.Indented) + "\n";
    }

    private static string NamespaceOf(BudgetObject budget) => budget.Metadata.Namespace ?? "*";

    private static string Number(long? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "";

    /// <summary>A column of a table, and its key in the other forms.</summary>
    internal sealed record Column(string Title, string Key, bool IsAmount = false);

    /// <summary>Rows with one cell per column. An empty cell is unknown.</summary>
    internal sealed record Rows(IReadOnlyList<Column> Columns, int LeftColumns, IReadOnlyList<string[]> Cells);
}
