using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar explain infs/&lt;name&gt;</c> (<see cref="ExplainScaler"/>), <c>bursar explain job/&lt;name&gt;</c> (<see
/// cref="ExplainWorkload"/>), <c>bursar explain gpub/&lt;name&gt;</c> and <c>bursar explain cgpub/&lt;name&gt;</c>: a budget's amounts, the
/// verdict on each workload, suspensions, and the last decisions replayed from their stored inputs.
/// </summary>
internal static class ExplainCommand
{
    internal static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static Command Create()
    {
        var access = new ClusterAccess();
        var budget = new Argument<string>("object")
        {
            Description = "A budget, as gpub/<name> or cgpub/<name>, a workload, as job/<name> (any kind), or a scaler, as infs/<name>.",
        };
        var ns = new Option<string?>("--namespace", "-n")
        {
            Description = "The object's namespace; by default the context's. Ignored for a ClusterGpuBudget, which has none.",
        };
        var form = new Option<string>("--output", "-o")
        {
            Description = "text, or json for the raw records.",
            DefaultValueFactory = _ => "text",
        };
        form.AcceptOnlyFromAmong("text", "json");
        var command = new Command(
            "explain",
            "Explain the decisions for a budget, a workload or a scaler: inputs, reasons, and what would change them."
        )
        {
            budget,
            ns,
            form,
        };
        access.AddTo(command);
        command.SetAction((parsed, cancellationToken) => access.RunAsync(parsed, (client, bursarNamespace) =>
                {
                    var (space, named, json, output) = (
                        parsed.GetValue(ns) ?? client.Config.Namespace ?? "default",
                        parsed.GetRequiredValue(budget),
                        parsed.GetValue(form) == "json",
                        parsed.InvocationConfiguration.Output
                    );
                    var errors = parsed.InvocationConfiguration.Error;
                    return ScalerName.TryParse(named) is { } scaler ? RunScalerAsync(client, space, scaler, json, output, cancellationToken)
                        : WorkloadName.TryParse(named) is { } workload
                            ? ExplainWorkload.RunAsync(client, bursarNamespace, space, workload, json, output, errors, cancellationToken)
                        : BudgetName.TryParse(named, space) is { } id
                            ? RunAsync(client, bursarNamespace, id.Namespace, id.Name, json, output, errors, cancellationToken)
                        : throw new UsageException(
                            $"\"{named}\" names no budget (gpub/<name>, cgpub/<name>), no scaler (infs/<name>) and no workload; kinds of workloads are {WorkloadName.Known}."
                        );
                }));
        return command;
    }

    public static async Task<int> RunScalerAsync(
        KubeClient client,
        string ns,
        string name,
        bool json,
        TextWriter output,
        CancellationToken cancellationToken
    )
    {
        var scaler = await ClusterAccess.GetOrNullAsync<V1Alpha1InferenceScaler>(client, name, ns, cancellationToken)
            ?? throw new CommandException($"there is no InferenceScaler {name} in namespace {ns}.");
        if (json)
            await output.WriteLineAsync(JsonSerializer.SerializeToNode(scaler, ApiJson.InferenceScaler)!.ToJsonString(Indented));
        else
            await output.WriteAsync(ExplainScaler.Format(scaler));
        return 0;
    }

    /// <param name="client">The client.</param>
    /// <param name="bursarNamespace">The namespace of the ledger.</param>
    /// <param name="ns">The budget's namespace; empty for a ClusterGpuBudget.</param>
    /// <param name="name">The budget's name.</param>
    /// <param name="json">Whether to write the raw records.</param>
    /// <param name="output">Receives the text.</param>
    /// <param name="errors">Receives a warning about unreadable records.</param>
    /// <param name="cancellationToken">Cancels the requests.</param>
    public static async Task<int> RunAsync(
        KubeClient client,
        string bursarNamespace,
        string ns,
        string name,
        bool json,
        TextWriter output,
        TextWriter errors,
        CancellationToken cancellationToken
    )
    {
        var id = new BudgetId(ns, name);
        var budget = await id.GetAsync(client, cancellationToken);
        var (everything, unreadable) = await StoredLedger.ReadAsync(client, bursarNamespace, withDays: false, cancellationToken);
        var budgetShards = everything.Where(s => s.Kind == LedgerShard.BudgetKind);
        // A recreated budget has a new UID. If the budget does not exist, match by name.
        var shards = budgetShards.Where(s => budget is not null ? StoredLedger.IsOf(s, budget) : BudgetId.From(s) == id).ToArray();
        if (budget is null && shards.Length == 0)
            throw new CommandException($"there is no {id.InWords}.");

        if (json)
            await output.WriteLineAsync(Raw(budget, shards).ToJsonString(Indented));
        else
        {
            await output.WriteAsync(
                ExplainText.Format(
                    id,
                    budget,
                    [.. shards.SelectMany(s => s.Suspensions ?? []).Select(StoredForm.Read)],
                    [.. shards.SelectMany(s => (s.Decisions ?? []).Select(StoredForm.Read)).OrderBy(d => d.Time)],
                    [.. shards.SelectMany(s => s.Windows ?? []).OrderBy(w => w.End)],
                    [.. shards.SelectMany(s => StoredForm.Read(s.Memory)?.Checkpoints.Values ?? [])]
                )
            );
            var memory = shards.Select(s => StoredForm.Read(s.Memory)).FirstOrDefault(memory => memory?.Spec is not null);
            if (budget is not null)
            {
                SpecRefusal.Check(budget, cached: null);
                if (memory is not null)
                    SpecRefusal.Restore(budget, memory);
            }
            if (
                budget is not null
                && GpuBudgetReader.TryReadSelector(budget, out var selector)
                && Rfc3339.TryParse(budget.Status?.Window?.Start, out var from)
            )
            {
                var (ledger, now) = (GpuLedger.Load(everything), ClusterAccess.NowIn(client));
                var cost = ExplainCost.Format(
                    ledger,
                    await DefaultBook.ReadAsync(client, cancellationToken),
                    ns,
                    id.IsCluster ? memory?.Namespaces ?? budget.Status?.Namespaces ?? [] : [ns],
                    selector,
                    from,
                    ledger.AsOf < now ? ledger.AsOf.Value : now
                );
                await output.WriteAsync(cost + ReportText.AsOf(ledger.AsOf, now));
            }
        }
        if (StoredLedger.Missing(unreadable) is not { } missing)
            return 0;
        await errors.WriteLineAsync(missing);
        return 1;
    }

    private static JsonObject Raw(BudgetObject? budget, IReadOnlyList<LedgerShard> shards)
    {
        var records = new JsonArray();
        foreach (var shard in shards)
        {
            var node = JsonSerializer.SerializeToNode(shard, LedgerJson.Default.LedgerShard)!.AsObject();
            Unfold(node, "memory");
            foreach (var decision in node["decisions"] as JsonArray ?? [])
                UnfoldInputs(decision!.AsObject());
            foreach (var suspension in node["parked"] as JsonArray ?? [])
                Unfold(suspension!.AsObject(), "cause");
            StoredNames.Update(node);
            records.Add((JsonNode)node);
        }
        return new() { ["budget"] = budget is null ? null : BudgetId.ToJson(budget), ["ledger"] = records };
    }

    private static void UnfoldInputs(JsonObject decision)
    {
        try
        {
            if (
                decision["inputs"] is JsonValue value
                && value.TryGetValue<string>(out var text)
                && DecisionInputs.Read(text) is { } snapshot
            )
                decision["inputs"] = JsonSerializer.SerializeToNode(snapshot, DecisionJson.Default.BudgetSnapshot);
        }
        catch (FormatException)
        {
            // Shown as stored, because this version cannot read it.
        }
    }

    /// <summary>Replaces JSON that is stored as text by the JSON itself.</summary>
    private static void Unfold(JsonObject node, string field)
    {
        if (node[field] is JsonValue value && value.TryGetValue<string>(out var text) && text.StartsWith('{'))
            node[field] = JsonNode.Parse(text);
    }
}
