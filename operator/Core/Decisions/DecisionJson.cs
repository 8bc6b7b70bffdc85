using System.Text.Json.Serialization;

namespace Bursar.Core.Decisions;

/// <summary>How decisions, their inputs and what budgets remember are stored: amounts exactly, so that they can be recomputed.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(BudgetSnapshot))]
[JsonSerializable(typeof(BudgetDecision))]
[JsonSerializable(typeof(BudgetMemory))]
[JsonSerializable(typeof(ParkedSnapshot))]
public sealed partial class DecisionJson : JsonSerializerContext;
