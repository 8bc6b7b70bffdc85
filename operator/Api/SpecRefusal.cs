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
    public static void Check(BudgetObject budget, BudgetObject? cached)
    {
        if (
            cached is not null
            && cached.Metadata.Uid == budget.Metadata.Uid
            && cached.Metadata.Generation == budget.Metadata.Generation
            && budget.Metadata.Generation > 0
        )
        {
            // An unchanged generation means an unchanged spec.
            budget.TakeSpec(cached);
            (budget.Refusal, budget.Read) = (cached.Refusal, cached.Read);
            return;
        }
        if (GpuBudgetReader.Read(budget, out _, out _, out _) is not { Count: > 0 } errors)
            return;
        budget.Refusal = new(errors, null);
        if (cached?.Metadata.Uid == budget.Metadata.Uid && cached.Refusal is null or { InForce: not null })
        {
            budget.TakeSpec(cached);
            budget.Refusal = new(errors, cached.Refusal?.InForce ?? cached.Metadata.Generation);
        }
    }

    /// <summary>Serializes the spec in force for <see cref="Restore"/>.</summary>
    public static string Store(BudgetObject budget) => budget.StoreSpec();

    /// <summary>
    /// Puts the spec in the ledger in force for a refused budget of which no valid version was cached, for example after a restart.
    /// </summary>
    public static void Restore(BudgetObject budget, BudgetMemory memory)
    {
        if (budget.Refusal is not { InForce: null } refusal || memory.Spec is not { } stored)
            return;
        budget.RestoreSpec(stored);
        budget.Refusal = refusal with { InForce = memory.SpecGeneration };
    }
}
