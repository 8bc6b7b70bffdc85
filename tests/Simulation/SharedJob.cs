using System.Text.Json.Nodes;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;

namespace Bursar.Tests.Simulation;

/// <summary>A Job that several budgets select. It loses all progress when it is suspended.</summary>
internal class SharedJob(string ns, string name, TimeSpan total, int priority, DateTimeOffset createdAt)
{
    public static readonly HourlyCost V100 = HourlyCost.FromDecimal(3.06m);

    public WorkloadKey Key { get; } = new(ns, "Job", name, "uid-" + name);

    public string Path { get; } = $"/apis/batch/v1/namespaces/{ns}/jobs/{name}";

    public TimeSpan Total { get; } = total;

    public TimeSpan Left { get; set; } = total;

    public int Priority { get; } = priority;

    public DateTimeOffset CreatedAt { get; } = createdAt;

    public int Gpus { get; init; } = 1;

    public HourlyCost PricePerGpu { get; init; } = V100;

    public HourlyCost Rate => PricePerGpu * Gpus;

    public bool Suspended { get; set; }

    public JsonObject ToObject() =>
        new()
        {
            ["apiVersion"] = "batch/v1",
            ["kind"] = "Job",
            ["metadata"] = new JsonObject
            {
                ["name"] = Key.Name,
                ["namespace"] = Key.Namespace,
                ["uid"] = Key.Uid,
            },
            ["spec"] = new JsonObject { ["suspend"] = Suspended },
        };

    public static bool IsSuspended(JsonObject job) => (bool)job["spec"]!["suspend"]!;

    /// <summary>Returns the job as one of its budgets sees it, by the rules of the product's observer.</summary>
    /// <param name="record">The budget's suspension.</param>
    /// <param name="others">The suspensions by other budgets.</param>
    /// <param name="memory">The budget's memory.</param>
    /// <param name="now">The time.</param>
    public WorkloadSnapshot Snapshot(
        SuspensionRecord? record,
        IReadOnlyCollection<SuspensionRecord> others,
        BudgetMemory memory,
        DateTimeOffset now
    )
    {
        var heldBy = Suspended && others.Count > 0 ? $"budget {others.First().Budget}" : null;
        var outlived =
            record is not null && !Suspended && memory.Admitted.TryGetValue(Key.Uid, out var admission) && admission.At >= record.Since;
        var state =
            !Suspended ? WorkloadState.Running
            : record is not null ? WorkloadState.SuspendedByBudget
            : heldBy is not null ? WorkloadState.Pending
            : WorkloadState.SuspendedByOther;
        var since = others.Count > 0 ? others.Max(o => o.Since) : now;
        if (memory.Admitted.TryGetValue(Key.Uid, out var own) && own.At > since)
            since = own.At;
        return new()
        {
            Key = Key,
            Class = WorkloadClass.Training,
            State = state,
            Priority = Priority,
            CreatedAt = CreatedAt,
            Gpus = Gpus,
            Rate = Rate,
            BurnRate = Suspended ? HourlyCost.Zero : Rate,
            Estimate = EstimateOf(Left),
            EstimateAfterResume = Suspended ? null : EstimateOf(Total),
            NoPodSince = state == WorkloadState.Pending ? since : null,
            OtherBudgets = heldBy,
            Suspension =
                record is null || outlived ? null
                : Suspended ? record.Cause with { Confirmed = true }
                : record.Cause,
        };
    }

    protected virtual Estimate EstimateOf(TimeSpan left) => new(left * 0.97, left, left * 1.03, EstimateSource.Progress, true, "by steps");
}
