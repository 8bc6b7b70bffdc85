using System.Text.Json;
using Bursar.Core.Decisions;
using Bursar.Core.Text;

namespace Bursar.Api;

/// <summary>
/// The refusal of a budget's spec that the API server accepted but the operator cannot use. The last valid spec stays in force, if known.
/// </summary>
/// <param name="Errors">One error for each invalid field.</param>
/// <param name="InForce">The generation whose spec is in force instead; null if none is known.</param>
public sealed record SpecRefusal(IReadOnlyList<FieldError> Errors, long? InForce)
{
    /// <summary>Checks a budget before it is cached. An invalid spec is replaced by that of the cached version.</summary>
    /// <param name="budget">The budget, which is modified.</param>
    /// <param name="cached">The previous version; null if none is cached.</param>
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
    /// Puts the spec in the ledger in force for a refused budget of which no valid version was cached, for example after a restart.
    /// </summary>
    public static void Restore(V1Alpha1GpuBudget budget, BudgetMemory memory)
    {
        if (budget.Refusal is { InForce: null } && memory.Spec is { } stored)
            PutInForce(budget, JsonSerializer.Deserialize(stored, ApiJson.GpuBudget)?.Spec, memory.SpecGeneration);
    }

    /// <summary>Serializes the spec in force for <see cref="Restore"/>.</summary>
    public static string Store(V1Alpha1GpuBudget budget) =>
        JsonSerializer.Serialize(new V1Alpha1GpuBudget { Spec = budget.Spec }, ApiJson.GpuBudget);

    private static void PutInForce(V1Alpha1GpuBudget budget, GpuBudgetSpec? spec, long generation)
    {
        budget.Spec = spec;
        budget.Refusal = budget.Refusal! with { InForce = generation };
    }
}
