using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Reports;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Commands;

/// <summary>The options of a report.</summary>
/// <param name="From">Null for the first of this month, UTC.</param>
/// <param name="To">Null for now.</param>
/// <param name="Namespace">Null for the whole cluster.</param>
internal sealed record ReportRequest(DateTimeOffset? From, DateTimeOffset? To, ReportBy By, string? Namespace = null, bool Csv = false);

/// <summary><c>bursar report</c>: the cost of GPU workloads, from the stored ledger only. Needs no running operator.</summary>
internal static class ReportCommand
{
    private static readonly Dictionary<string, ReportBy> Rows = new(StringComparer.OrdinalIgnoreCase)
    {
        ["namespace"] = ReportBy.Namespace,
        ["workload"] = ReportBy.Workload,
        ["model"] = ReportBy.Model,
        ["day"] = ReportBy.Day,
    };

    public static Command Create()
    {
        var access = new ClusterAccess();
        var ns = new Option<string?>("--namespace", "-n")
        {
            Description = "Only this namespace; by default the whole cluster, with unallocated GPUs.",
        };
        var by = new Option<string>("--by")
        {
            Description = "What the rows are: namespace, workload, model or day.",
            DefaultValueFactory = _ => "workload",
        };
        by.AcceptOnlyFromAmong([.. Rows.Keys]);
        var from = new Option<DateTimeOffset?>("--from")
        {
            Description = "The first moment: a date (UTC) or RFC 3339; by default the first of this month (UTC).",
            CustomParser = ReadMoment,
        };
        var to = new Option<DateTimeOffset?>("--to")
        {
            Description = "The moment it ends before: a date (UTC) or RFC 3339; by default now.",
            CustomParser = ReadMoment,
        };
        var form = new Option<string>("--output", "-o") { Description = "table or csv.", DefaultValueFactory = _ => "table" };
        form.AcceptOnlyFromAmong("table", "csv");
        var command = new Command("report", "Show GPU cost and unit costs.") { ns, by, from, to, form };
        access.AddTo(command);
        command.SetAction((parsed, cancellationToken) => access.RunAsync(parsed, (client, bursarNamespace) =>
                {
                    var request = new ReportRequest(
                        parsed.GetValue(from),
                        parsed.GetValue(to),
                        Rows[parsed.GetRequiredValue(by)],
                        parsed.GetValue(ns),
                        parsed.GetValue(form) == "csv"
                    );
                    return RunAsync(
                        client,
                        bursarNamespace,
                        request,
                        parsed.InvocationConfiguration.Output,
                        parsed.InvocationConfiguration.Error,
                        cancellationToken
                    );
                }));
        return command;
    }

    public static async Task<int> RunAsync(
        KubeClient client,
        string bursarNamespace,
        ReportRequest request,
        TextWriter output,
        TextWriter errors,
        CancellationToken cancellationToken
    )
    {
        if (request is { From: { } first, To: { } last } && last <= first)
            throw new UsageException($"the report would end ({Rfc3339.Format(last)}) before it begins ({Rfc3339.Format(first)}).");
        var (shards, unreadable) = await StoredLedger.ReadAsync(client, bursarNamespace, withDays: true, cancellationToken);
        if (shards.Count + unreadable.Count == 0)
            throw new CommandException(
                $"there is no ledger in namespace {bursarNamespace}: Bursar does not run there, or has not written yet. --bursar-namespace names another."
            );
        var ledger = GpuLedger.Load(shards);
        // Use the clock with which the start times were recorded.
        var now = ClusterAccess.NowIn(client);
        var query = new ReportQuery(
            request.From ?? new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero),
            request.To ?? now,
            request.By,
            request.Namespace
        );
        if (query.To <= query.From)
            throw new CommandException(
                $"the report would end ({Rfc3339.Format(query.To)}) before it begins ({Rfc3339.Format(query.From)})."
            );
        var steps = StepsOf(OperatorState.Load(shards));
        var report = CostReport.Create(ledger, query, now, uid => steps.TryGetValue(uid, out var step) ? step : null);
        // An empty report for a misspelt name would be misleading.
        if (
            request.Namespace is { } only
            && report.Rows.Count == 0
            && await ClusterAccess.HasNamespaceAsync(client, only, cancellationToken) == false
        )
            throw new CommandException(
                $"there is no namespace {only}, and the ledger has no GPU workloads of a namespace with that name in this time."
            );
        // A ledger keeps its first currency.
        var currency = ledger.Currency ?? DefaultPriceBook.Currency;
        if (request.Csv)
        {
            await output.WriteAsync(ReportText.Csv(report, currency));
        }
        else
        {
            var book = await DefaultBook.ReadAsync(client, cancellationToken);
            await output.WriteAsync(
                ReportText.Table(report, query.Namespace, currency, now, model => Advice.RateOf(ledger, book, model, now))
            );
        }
        // Exit with 1 for an incomplete report, for scripts that read only the CSV.
        if (StoredLedger.Missing(unreadable) is not { } missing)
            return 0;
        await errors.WriteLineAsync(missing);
        return 1;
    }

    /// <summary>Returns the last stored step of each job under a budget.</summary>
    private static Dictionary<string, long> StepsOf(OperatorState state)
    {
        var steps = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (_, _, uid) in state.RememberedBudgets())
        {
            var memory = state.BudgetMemory(uid);
            foreach (var (work, series) in memory.Progress)
                if (series.Last is { Step: > 0 } last)
                    steps[work] = last.Step;
            foreach (var ended in memory.Ended)
                if (ended.Step > steps.GetValueOrDefault(ended.Uid))
                    steps[ended.Uid] = ended.Step;
        }
        return steps;
    }

    private static DateTimeOffset? ReadMoment(ArgumentResult result)
    {
        if (result.Tokens is [{ Value: var text }])
        {
            if (DateTimeOffset.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var day))
                return day;
            if (Rfc3339.TryParse(text, out var moment))
                return moment;
        }
        result.AddError($"{result.Argument.Name} is a date such as 2026-11-01, or a moment such as 2026-11-01T00:00:00Z.");
        return null;
    }
}
