using System.Text.Json.Serialization;

namespace Bursar.Core.Decisions;

/// <summary>
/// The stored form of decisions, their inputs and budget memories. Amounts are stored exactly, so that a decision can be repeated. A stored
/// property with a default needs a setter, because the generated reader ignores the initializer of an init-only property that an earlier
/// version did not write.
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
