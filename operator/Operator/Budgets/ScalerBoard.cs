using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Budgets;

/// <summary>
/// What budgets and scalers know of each other: a budget's room as it was decided last, and what a scaler keeps of its target come what
/// may.
/// </summary>
public sealed class ScalerBoard
{
    private readonly ConcurrentDictionary<ObjectKey, BudgetRoom> _rooms = new();
    private readonly ConcurrentDictionary<ObjectKey, ElasticTarget> _targets = new();
    private volatile Lazy<ILookup<string, ElasticTarget>> _byWorkload = new(() =>
        Enumerable.Empty<ElasticTarget>().ToLookup(one => one.WorkloadUid, StringComparer.Ordinal)
    );

    /// <summary>A budget of this namespace has more or less for scaling than before.</summary>
    public event Action<string>? RoomChanged;

    /// <summary>Takes a budget's decision in.</summary>
    public void Note(V1Alpha1GpuBudget budget, BudgetDecision decision)
    {
        var room = new BudgetRoom(decision.Room, decision.IsEnforcing, decision.At < decision.WindowStart, decision.Currency);
        var key = ObjectKey.Of(budget);
        if (_rooms.TryGetValue(key, out var known) && known == room)
            return;
        _rooms[key] = room;
        RoomChanged?.Invoke(budget.Metadata.Namespace ?? "");
    }

    public void Forget(V1Alpha1GpuBudget budget)
    {
        if (_rooms.TryRemove(ObjectKey.Of(budget), out _))
            RoomChanged?.Invoke(budget.Metadata.Namespace ?? "");
    }

    /// <summary>Null until the budget was decided on since this operator leads.</summary>
    public BudgetRoom? RoomOf(ObjectKey budget) => _rooms.GetValueOrDefault(budget);

    /// <summary>What a scaler holds of a workload; null takes it back.</summary>
    public void Hold(ObjectKey scaler, ElasticTarget? target)
    {
        if (target is null ? !_targets.TryRemove(scaler, out _) : _targets.TryGetValue(scaler, out var known) && known == target)
            return;
        if (target is not null)
            _targets[scaler] = target;
        _byWorkload = new(() => _targets.Values.ToLookup(one => one.WorkloadUid, StringComparer.Ordinal));
    }

    /// <summary>What of a workload's burn stays whatever the money says; null where no scaler could take the rest away.</summary>
    public HourlyCost? FloorRateOf(string workloadUid, HourlyCost burn)
    {
        HourlyCost? floor = null;
        foreach (var target in _byWorkload.Value[workloadUid])
        {
            if (target.Floor is not { } kept)
                return null;
            // A pod that was bound a moment ago is not in what the scaler saw last: it must not look as if it stayed.
            burn = target.IsWhole ? HourlyCost.Zero : new HourlyCost(Math.Max(0, burn.NanoPerHour - target.Burn.NanoPerHour));
            floor = (floor ?? HourlyCost.Zero) + kept;
        }
        return floor is { } sum ? sum + burn : null;
    }
}

/// <summary>A budget's last word on scaling.</summary>
/// <param name="Room">Null while no window is open.</param>
/// <param name="IsEnforcing">Else it only tells.</param>
/// <param name="IsBefore">Its only window has not begun: nothing counts yet.</param>
/// <param name="Currency">Of the room's amounts.</param>
public sealed record BudgetRoom(ScalingRoom? Room, bool IsEnforcing, bool IsBefore, string Currency);

/// <summary>A target whose replicas above the floor a scaler gives up when the money says so.</summary>
/// <param name="WorkloadUid">Of the workload that its pods are billed to.</param>
/// <param name="Burn">What its pods burn.</param>
/// <param name="Floor">What the floor costs; null where that is not known.</param>
/// <param name="IsWhole">The workload is the target, and has no other pods.</param>
public sealed record ElasticTarget(string WorkloadUid, HourlyCost Burn, HourlyCost? Floor, bool IsWhole);
