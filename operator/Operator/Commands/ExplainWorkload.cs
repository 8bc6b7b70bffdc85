using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Budgets;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar explain job/train</c>: the GpuBudgets and ClusterGpuBudgets that select a workload, and for each its state, the reason, and what would change it. The
/// budgets' status is enough; the ledger, which users of a namespace may not be allowed to read, adds the amounts of a suspension.
/// </summary>
internal static class ExplainWorkload
{
    public static async Task<int> RunAsync(
        KubeClient client,
        string bursarNamespace,
        string ns,
        WorkloadName named,
        bool json,
        TextWriter output,
        TextWriter errors,
        CancellationToken cancellationToken
    )
    {
        var chain = await named.FindAsync(client, ns, cancellationToken);
        var budgets = (
            await ClusterAccess.WithRightAsync($"list gpubudgets.{ApiGroup.Name} in namespace {ns}", () =>
                client.ListAsync<V1Alpha1GpuBudget>(new() { Namespace = ns }, cancellationToken)
            )
        ).Items;
        var (shards, missing) = await LedgerAsync(client, bursarNamespace, ns, cancellationToken);
        var covering = await CoveringBudgets.ReadAsync(client, bursarNamespace, ns, shards, cancellationToken);
        var workload = chain.Count > 0 ? chain[^1].Name : named;
        var labels = chain.Count > 0 ? chain[^1].Labels : null;
        var views = budgets
            .OrderBy(budget => budget.Metadata.Name, StringComparer.Ordinal)
            .Select(budget => View.From(budget, true, ns, workload, labels, shards))
            .Concat(
                covering
                    .All.OrderBy(budget => budget.Metadata.Name, StringComparer.Ordinal)
                    .Select(budget => View.From(budget, covering.Covering.Contains(budget.Metadata.Uid), ns, workload, labels, shards))
            )
            .OfType<View>()
            .ToArray();
        if (chain.Count == 0 && views.Length == 0)
            throw new CommandException($"there is no {named} in namespace {ns}, and no budget there knows it.");

        if (json)
            await output.WriteLineAsync(Json(ns, workload, views).ToJsonString(ExplainCommand.Indented));
        else
            await output.WriteAsync(Text(ns, named, workload, chain.Count > 0, views, budgets, covering));
        foreach (var note in (string?[])[missing, covering.Missing])
            if (note is not null)
                await errors.WriteLineAsync(note);
        return 0;
    }

    private static async Task<(IReadOnlyList<LedgerShard> Shards, string? Missing)> LedgerAsync(
        KubeClient client,
        string bursarNamespace,
        string ns,
        CancellationToken cancellationToken
    )
    {
        try
        {
            return (
                [
                    .. (await StoredLedger.ReadBudgetsAsync(client, bursarNamespace, cancellationToken)).Where(shard =>
                        shard.Namespace is null or "" || shard.Namespace == ns
                    ),
                ],
                null
            );
        }
        catch (CommandException refused)
        {
            return ([], $"note: this is from the budgets' status alone; the ledger adds amounts and decisions: {refused.Message}");
        }
    }

    private static string Text(
        string ns,
        WorkloadName named,
        WorkloadName workload,
        bool exists,
        IReadOnlyList<View> views,
        IReadOnlyList<V1Alpha1GpuBudget> budgets,
        CoveringBudgets covering
    )
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{workload.Kind} {ns}/{workload.Name}{(exists ? "" : " does not exist any more")}\n");
        if (named != workload)
            text.Append(CultureInfo.InvariantCulture, $"  {named} is a part of it.\n");
        if (views.Count == 0)
        {
            string[] all =
            [
                .. budgets.Select(budget => BudgetId.From(budget).Argument).Order(StringComparer.Ordinal),
                .. covering
                    .All.Where(budget => covering.Covering.Contains(budget.Metadata.Uid))
                    .Select(budget => BudgetId.From(budget).Argument)
                    .Order(StringComparer.Ordinal),
            ];
            text.Append(
                all.Length > 0 ? $"  None of the budgets of namespace {ns} selects it ({string.Join(", ", all)})"
                : covering.Missing is null ? $"  No budget covers namespace {ns}"
                : $"  Namespace {ns} has no GpuBudget"
            );
            text.Append(covering.Missing is null ? ": nothing limits what it costs.\n" : ".\n");
            return text.ToString();
        }
        if (views.Count > 1)
            text.Append(CultureInfo.InvariantCulture, $"  {views.Count} budgets select it; it runs while it fits each of them.\n");
        foreach (var view in views)
            view.Write(text);
        return text.ToString();
    }

    private static JsonObject Json(string ns, WorkloadName workload, IReadOnlyList<View> views) =>
        new()
        {
            ["kind"] = workload.Kind,
            ["namespace"] = ns,
            ["name"] = workload.Name,
            ["budgets"] = new JsonArray([.. views.Select(view => (JsonNode)view.Json())]),
        };

    /// <summary>A workload as seen by one budget.</summary>
    private sealed record View(
        BudgetObject Budget,
        string DisplayName,
        GpuBudgetWorkload? Entry,
        GpuBudgetSuspended? Suspended,
        SuspensionRecord? Record,
        DecisionRecord? Decision,
        bool IsExempt,
        string? Invalid
    )
    {
        /// <summary>Returns null if the budget neither selects nor has a record of the workload.</summary>
        public static View? From(
            BudgetObject budget,
            bool isCovered,
            string ns,
            WorkloadName workload,
            IReadOnlyDictionary<string, string>? labels,
            IReadOnlyList<LedgerShard> shards
        )
        {
            var key = new WorkloadKey(ns, workload.Kind, workload.Name, "");
            var name = key.DisplayName(budget.Metadata.Namespace ?? "");
            // Only a ClusterGpuBudget's status has namespaces.
            bool IsIt(string? itsNamespace, string? kind, string? itsName) =>
                kind == key.Kind && itsName == key.Name && (itsNamespace ?? budget.Metadata.Namespace) == key.Namespace;
            var own = shards.Where(shard => StoredLedger.IsOf(shard, budget)).ToArray();
            var entry = budget.Status?.Workloads?.FirstOrDefault(one => IsIt(one.Namespace, one.Kind, one.Name));
            var suspended = budget.Status?.Suspended?.FirstOrDefault(one => IsIt(one.Namespace, one.Kind, one.Name));
            var record = own.SelectMany(shard => shard.Suspensions ?? [])
                .Select(StoredForm.Read)
                .FirstOrDefault(one => IsIt(one.Namespace, one.Kind, one.Name));
            var decision = own.SelectMany(shard => (shard.Decisions ?? []).Select(StoredForm.Read))
                .Where(one => one.Object == name)
                .MaxBy(one => one.Time);
            var errors = GpuBudgetReader.Read(budget, out _, out var selector, out var exempt);
            if (errors.Count > 0)
                return entry is null && suspended is null && record is null
                    ? null
                    : new(
                        budget,
                        name,
                        entry,
                        suspended,
                        record,
                        decision,
                        false,
                        budget
                            .Status?.Conditions?.FirstOrDefault(condition =>
                                condition is { Type: ConditionTypes.Ready, Reason: Reasons.InvalidSpec }
                            )
                            ?.Message
                            ?? BudgetStatus.Message(errors)
                    );
            var selects = isCovered && labels is not null && selector.Matches(labels);
            return selects || entry is not null || suspended is not null || record is not null || labels is null && decision is not null
                ? new(budget, name, entry, suspended, record, decision, labels is not null && exempt?.Matches(labels) == true, null)
                : null;
        }

        public void Write(StringBuilder text)
        {
            var (id, status) = (BudgetId.From(Budget), Budget.Status);
            text.Append(CultureInfo.InvariantCulture, $"\nBudget {id.Argument}: {status?.State ?? "not evaluated yet"}\n");
            if (status?.Limit is { } limit)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  {status.Spent} of {limit} {status.Currency} is spent, {status.Projected} is projected, in the window to {status.Window?.End}\n"
                );
            if (Invalid is not null)
                text.Append(CultureInfo.InvariantCulture, $"  its spec cannot be used: {Invalid}\n");
            if (IsExempt)
                text.Append("  this workload is exempt: it is counted and never suspended\n");
            if (Entry is { } entry)
            {
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  state: {entry.State}, {entry.Class}, {entry.Gpus} GPU, {(entry.RatePerHour is null ? "unpriced" : $"{entry.RatePerHour} {status?.Currency}/h")}, spent {entry.Spent}, projected {entry.Projected}\n"
                );
                if (entry.Eta is { Likely: { } likely } eta)
                    text.Append(CultureInfo.InvariantCulture, $"  done about {likely} (by {eta.Source}; {eta.Low} to {eta.High})\n");
                if (entry.Reason is { Length: > 0 } reason)
                    text.Append(CultureInfo.InvariantCulture, $"  why: {reason}\n");
            }
            else if (Record is null && Suspended is { } suspended)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  state: suspended since {suspended.Since} ({suspended.Reason}), {suspended.CostToFinish} {status?.Currency} to finish\n"
                );
            else if (Record is null && Suspended is null && !IsExempt)
                text.Append(
                    "  state: it is not among the workloads that the status names: it has not started, has ended, or others cost more\n"
                );
            if (Record is { } record)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  suspended since {Rfc3339.Format(record.Since)} ({record.Reason}): {record.Field.Pointer} was {record.Field.Original} and is {record.Field.Value}, {record.CostToFinish} {status?.Currency} to finish\n"
                );
            if (Entry?.Reason is null && Decision is { } decision)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  why: {decision.Text} ({decision.Action} at {Rfc3339.Format(decision.Time)})\n"
                );
            if (Changes() is { } changes)
                text.Append(CultureInfo.InvariantCulture, $"  {changes}\n");
            text.Append(CultureInfo.InvariantCulture, $"  more: bursar explain {id.Arguments}\n");
        }

        public JsonObject Json()
        {
            var json = new JsonObject
            {
                ["kind"] = Budget.Kind,
                ["name"] = Budget.Metadata.Name,
                ["state"] = Budget.Status?.State,
                ["exempt"] = IsExempt,
                ["workload"] = BudgetId
                    .ToJson(Budget)["status"]
                    ?["workloads"]?.AsArray()
                    .FirstOrDefault(one =>
                        Entry is not null
                        && (string?)one!["kind"] == Entry.Kind
                        && (string?)one["name"] == Entry.Name
                        && (string?)one["namespace"] == Entry.Namespace
                    )
                    ?.DeepClone(),
                ["suspended"] = Record is null
                    ? null
                    : JsonSerializer.SerializeToNode(StoredForm.From(Record), LedgerJson.Default.ShardSuspension),
                ["decision"] = Decision is null
                    ? null
                    : JsonSerializer.SerializeToNode(Decision with { Inputs = "" }, LedgerJson.Default.DecisionRecord),
            };
            StoredNames.Update(json);
            return json;
        }

        /// <summary>Returns changes from the inputs of the last decision on it; null if they are not stored or show none.</summary>
        private string? Changes()
        {
            try
            {
                if (Decision is null || DecisionInputs.Read(Decision.Inputs) is not { } inputs)
                    return null;
                // The status is newer than the decision, whose suggested limit may no longer be enough. If the status gives a reason, leave
                // the limit out.
                return ExplainReasoning.ChangesFor(inputs, DisplayName, withLimit: Entry?.Reason is null) is { } changes
                    ? $"as of {Rfc3339.Format(Decision.Time)}, {changes}"
                    : null;
            }
            catch (FormatException)
            {
                // Written by a version that this one cannot read.
                return null;
            }
        }
    }
}
