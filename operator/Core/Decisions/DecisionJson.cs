using System.Text.Json.Serialization;

namespace Bursar.Core.Decisions;

/// <summary>
/// How decisions, their inputs and what budgets remember are stored: amounts exactly, so that they can be recomputed. A stored property
/// with a default has a setter, because the generated reader ignores the initializer of an init-only property that an earlier version did
/// not write.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true
)]
[JsonSerializable(typeof(BudgetSnapshot))]
[JsonSerializable(typeof(BudgetDecision))]
[JsonSerializable(typeof(BudgetMemory))]
[JsonSerializable(typeof(SuspendedSnapshot))]
public sealed partial class DecisionJson : JsonSerializerContext;
