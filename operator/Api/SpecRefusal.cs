using System.Text.Json;
using Bursar.Core.Decisions;
using Bursar.Core.Text;

namespace Bursar.Api;

/// <summary>
/// A spec of a budget that the API server accepted and the operator cannot use. The last valid spec stays in force, if one is known.
/// </summary>
/// <param name="Errors">Names each field that is wrong.</param>
/// <param name="InForce">The generation whose spec is in force instead; null if none is known.</param>
public sealed record SpecRefusal(IReadOnlyList<FieldError> Errors, long? InForce)
{
    /// <summary>Checks a budget before it is cached; if its spec cannot be used, puts that of the cached version in its place.</summary>
    /// <param name="budget">Is changed.</param>
    /// <param name="cached">The version before it; null if none is cached.</param>
    public static void Check(V1Alpha1GpuBudget budget, V1Alpha1GpuBudget? cached)
    {
        if (
            cached is not null
            && cached.Metadata.Uid == budget.Metadata.Uid
            && cached.Metadata.Generation == budget.Metadata.Generation
            && budget.Metadata.Generation > 0
        )
        {
            // An unchanged generation means an unchanged spec.
            (budget.Spec, budget.Refusal, budget.Read) = (cached.Spec, cached.Refusal, cached.Read);
            return;
        }
        if (GpuBudgetReader.Read(budget, out _, out _, out _) is not { Count: > 0 } errors)
            return;
        budget.Refusal = new(errors, null);
        if (cached?.Metadata.Uid == budget.Metadata.Uid && cached.Refusal is null or { InForce: not null })
            PutInForce(budget, cached.Spec, cached.Refusal?.InForce ?? cached.Metadata.Generation);
    }

    /// <summary>
    /// Puts the spec that the ledger remembers in force for a refused budget of which no valid version was ever cached, as after a restart.
    /// </summary>
    public static void Restore(V1Alpha1GpuBudget budget, BudgetMemory memory)
    {
        if (budget.Refusal is { InForce: null } && memory.Spec is { } stored)
            PutInForce(budget, JsonSerializer.Deserialize(stored, ApiJson.GpuBudget)?.Spec, memory.SpecGeneration);
    }

    /// <summary>The spec in force, as <see cref="Restore"/> reads it.</summary>
    public static string Store(V1Alpha1GpuBudget budget) =>
        JsonSerializer.Serialize(new V1Alpha1GpuBudget { Spec = budget.Spec }, ApiJson.GpuBudget);

    private static void PutInForce(V1Alpha1GpuBudget budget, GpuBudgetSpec? spec, long generation)
    {
        budget.Spec = spec;
        budget.Refusal = budget.Refusal! with { InForce = generation };
    }
}
