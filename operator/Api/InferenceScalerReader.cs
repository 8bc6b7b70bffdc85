using System.Globalization;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Core.Text;

namespace Bursar.Api;

/// <summary>
/// Converts a scaler's spec to <see cref="ScalerTerms"/>. It repeats the checks of the schema and CEL, like <see cref="GpuBudgetReader"/>.
/// Every error names its field.
/// </summary>
public static class InferenceScalerReader
{
    private const int MostTriggers = 16;

    public static IReadOnlyList<FieldError> Read(V1Alpha1InferenceScaler scaler, out ScalerTerms? terms)
    {
        terms = null;
        var errors = new List<FieldError>();
        MistypedSpec.Report(scaler.Metadata, "spec", errors);
        if (scaler.Spec is not { } spec)
        {
            errors.Add(new("spec", "is required"));
            return errors;
        }
        if (spec.ScaleTargetRef?.Name is not { Length: > 0 })
            errors.Add(new("spec.scaleTargetRef.name", "is required"));
        int min = Within(spec.MinReplicaCount ?? 0, 0, 10000, "spec.minReplicaCount", errors),
            max = Within(spec.MaxReplicaCount ?? 100, 1, 10000, "spec.maxReplicaCount", errors);
        if (min > max)
            errors.Add(new("spec.minReplicaCount", $"must not be above maxReplicaCount ({max})"));
        if (spec.IdleReplicaCount is { } idle && (idle < 0 || idle >= min))
            errors.Add(new("spec.idleReplicaCount", $"must be below minReplicaCount ({min})"));

        var triggers = new List<TriggerTerms>();
        var written = spec.Triggers ?? [];
        if (written.Count > MostTriggers)
            errors.Add(new("spec.triggers", $"has {written.Count} entries, at most {MostTriggers} are allowed"));
        for (var i = 0; i < Math.Min(written.Count, MostTriggers); i++)
            if (TriggerReader.Read(written[i], i, $"spec.triggers[{i}]", errors) is { } trigger)
                triggers.Add(trigger);
        foreach (var twice in triggers.GroupBy(trigger => trigger.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
            errors.Add(new("spec.triggers", $"{twice.Count()} triggers are named \"{twice.Key}\""));
        var modifiers = ReadModifiers(spec.Advanced?.ScalingModifiers, written, errors);
        var fallback = ReadFallback(spec.Fallback, modifiers is not null || spec.Advanced?.ScalingModifiers is not null, errors);
        HourlyCost? cap = null;
        if (spec.CostCap is { } costCap)
        {
            if (HourlyCost.TryParse(costCap.PerHour, out var rate))
                cap = rate;
            else
                errors.Add(
                    new(
                        "spec.costCap.perHour",
                        costCap.PerHour is null
                            ? "is required"
                            : $"\"{Shorten(costCap.PerHour)}\" is not an amount: digits with an optional fraction, as \"24\" or \"2.295\""
                    )
                );
        }
        if (spec.BudgetRef is { Name: not { Length: > 0 } })
            errors.Add(new("spec.budgetRef.name", "is required"));
        var read = new ScalerTerms
        {
            Min = min,
            Max = max,
            Idle = spec.IdleReplicaCount,
            PollingInterval = TimeSpan.FromSeconds(Within(spec.PollingInterval ?? 30, 1, 3600, "spec.pollingInterval", errors)),
            Cooldown = TimeSpan.FromSeconds(Within(spec.CooldownPeriod ?? 300, 0, 86400, "spec.cooldownPeriod", errors)),
            InitialCooldown = TimeSpan.FromSeconds(Within(spec.InitialCooldownPeriod ?? 0, 0, 86400, "spec.initialCooldownPeriod", errors)),
            Behavior = new(
                ReadRules(
                    spec.Advanced?.HorizontalPodAutoscalerConfig?.Behavior?.ScaleUp,
                    ScalingBehavior.Default.Up,
                    "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp",
                    errors
                ),
                ReadRules(
                    spec.Advanced?.HorizontalPodAutoscalerConfig?.Behavior?.ScaleDown,
                    ScalingBehavior.Default.Down,
                    "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown",
                    errors
                )
            ),
            Fallback = fallback,
            Modifiers = modifiers,
            Triggers = triggers,
            CostCap = cap,
            Budget = spec.BudgetRef?.Name,
            Weight = Within(spec.BudgetRef?.Weight ?? 1, 1, 1000, "spec.budgetRef.weight", errors),
        };
        if (errors.Count == 0)
            terms = read;
        return errors;
    }

    private static FallbackTerms? ReadFallback(InferenceScalerFallback? fallback, bool hasModifiers, List<FieldError> errors)
    {
        if (fallback is null)
            return null;
        var behavior = (fallback.Behavior ?? "static") switch
        {
            "static" => FallbackBehavior.Static,
            "currentReplicas" => FallbackBehavior.CurrentReplicas,
            "currentReplicasIfHigher" => FallbackBehavior.CurrentReplicasIfHigher,
            "currentReplicasIfLower" => FallbackBehavior.CurrentReplicasIfLower,
            "scalingModifiers" => FallbackBehavior.ScalingModifiers,
            _ => (FallbackBehavior?)null,
        };
        if (behavior is null)
            errors.Add(
                new(
                    "spec.fallback.behavior",
                    $"\"{Shorten(fallback.Behavior!)}\" is none of static, currentReplicas, currentReplicasIfHigher, currentReplicasIfLower, scalingModifiers"
                )
            );
        if (behavior == FallbackBehavior.ScalingModifiers && !hasModifiers)
            errors.Add(new("spec.fallback.behavior", "scalingModifiers needs spec.advanced.scalingModifiers"));
        if (fallback.FailureThreshold is null)
            errors.Add(new("spec.fallback.failureThreshold", "is required"));
        if (fallback.Replicas is null)
            errors.Add(new("spec.fallback.replicas", "is required"));
        return new(
            Within(fallback.FailureThreshold ?? 0, 0, 10000, "spec.fallback.failureThreshold", errors),
            Within(fallback.Replicas ?? 0, 0, 10000, "spec.fallback.replicas", errors),
            behavior ?? FallbackBehavior.Static
        );
    }

    private static ModifierTerms? ReadModifiers(
        InferenceScalerModifiers? modifiers,
        IReadOnlyList<InferenceScalerTrigger> triggers,
        List<FieldError> errors
    )
    {
        if (modifiers is null)
            return null;
        const string path = "spec.advanced.scalingModifiers";
        var formula = Formula.TryParse(modifiers.Formula ?? "", out var wrong);
        if (formula is null)
            errors.Add(new($"{path}.formula", wrong));
        else
        {
            var known = triggers.Select(trigger => trigger.Name).OfType<string>().ToHashSet(StringComparer.Ordinal);
            foreach (var name in formula.Names.Where(name => !known.Contains(name)).Order(StringComparer.Ordinal))
                errors.Add(new($"{path}.formula", $"no trigger is named \"{name}\""));
        }
        var target = TriggerReader.Number(modifiers.Target, $"{path}.target", errors, positive: true);
        var activation = modifiers.ActivationTarget is null
            ? 0
            : TriggerReader.Number(modifiers.ActivationTarget, $"{path}.activationTarget", errors, positive: false);
        var type = ReadMetricType(modifiers.MetricType, TriggerMetricType.AverageValue, $"{path}.metricType", errors);
        return formula is null ? null : new(formula, target, activation, type);
    }

    private static ScalingRules ReadRules(InferenceScalerRules? rules, ScalingRules byDefault, string path, List<FieldError> errors)
    {
        if (rules is null)
            return byDefault;
        var policies = new List<ScalingPolicy>();
        for (var i = 0; i < (rules.Policies?.Count ?? 0); i++)
        {
            var policy = rules.Policies![i];
            var type = policy.Type switch
            {
                "Pods" => ScalingPolicyType.Pods,
                "Percent" => ScalingPolicyType.Percent,
                _ => (ScalingPolicyType?)null,
            };
            if (type is null)
                errors.Add(new($"{path}.policies[{i}].type", "is none of Pods, Percent"));
            policies.Add(
                new(
                    type ?? ScalingPolicyType.Pods,
                    Within(policy.Value ?? 0, 1, 1_000_000, $"{path}.policies[{i}].value", errors),
                    Within(policy.PeriodSeconds ?? 0, 1, 1800, $"{path}.policies[{i}].periodSeconds", errors)
                )
            );
        }
        var select = rules.SelectPolicy switch
        {
            null => byDefault.SelectPolicy,
            "Max" => ScalingPolicySelect.Max,
            "Min" => ScalingPolicySelect.Min,
            "Disabled" => ScalingPolicySelect.Disabled,
            _ => (ScalingPolicySelect?)null,
        };
        if (select is null)
            errors.Add(new($"{path}.selectPolicy", $"\"{Shorten(rules.SelectPolicy!)}\" is none of Max, Min, Disabled"));
        var tolerance = byDefault.Tolerance;
        if (rules.Tolerance is { } text)
        {
            if (KubernetesQuantity.TryParse(text, out var quantity) && quantity.Value is >= 0 and <= 10)
                tolerance = (double)quantity.Value;
            else
                errors.Add(new($"{path}.tolerance", $"\"{Shorten(text)}\" is not a quantity from 0 to 10, such as \"0.1\""));
        }
        return new()
        {
            StabilizationWindowSeconds = Within(
                rules.StabilizationWindowSeconds ?? byDefault.StabilizationWindowSeconds,
                0,
                3600,
                $"{path}.stabilizationWindowSeconds",
                errors
            ),
            SelectPolicy = select ?? byDefault.SelectPolicy,
            Policies = policies.Count > 0 ? policies : byDefault.Policies,
            Tolerance = tolerance,
        };
    }

    internal static TriggerMetricType ReadMetricType(string? text, TriggerMetricType byDefault, string path, List<FieldError> errors)
    {
        switch (text)
        {
            case null:
                return byDefault;
            case "AverageValue":
                return TriggerMetricType.AverageValue;
            case "Value":
                return TriggerMetricType.Value;
        }
        errors.Add(new(path, $"\"{Shorten(text)}\" is none of AverageValue, Value"));
        return byDefault;
    }

    private static int Within(int value, int least, int most, string path, List<FieldError> errors)
    {
        if (value < least || value > most)
            errors.Add(new(path, string.Create(CultureInfo.InvariantCulture, $"{value} is not between {least} and {most}")));
        return value;
    }

    public static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
