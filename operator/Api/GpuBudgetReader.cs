using System.Globalization;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Api;

/// <summary>
/// Converts a budget's spec to <see cref="BudgetTerms"/>. It repeats the checks of the schema and CEL, because an API server without CEL
/// or an object older than a rule must not crash the operator. Every error names its field.
/// </summary>
public static class GpuBudgetReader
{
    private const int MostTopUps = 100;
    private const int MostThresholds = 10;
    private const int MostNamespaces = 1000;
    private const int MostLimits = 16;

    /// <summary>
    /// The measures of <c>spec.limit</c>. The first one that is set is the budget's own. Each other one is a limit inside it with the name of
    /// the field.
    /// </summary>
    private static readonly (string Field, UsageUnit Unit, Func<GpuBudgetLimit, string?> Value)[] Measures =
    [
        ("cost", UsageUnit.Cost, limit => limit.Cost),
        ("gpuHours", UsageUnit.GpuHours, limit => limit.GpuHours),
        ("energyKWh", UsageUnit.Energy, limit => limit.EnergyKWh),
        ("co2eKg", UsageUnit.Co2e, limit => limit.Co2eKg),
        ("tokens", UsageUnit.Tokens, limit => limit.Tokens),
    ];

    /// <summary>Reads the spec in force. The result is cached on the object until its spec changes.</summary>
    public static IReadOnlyList<FieldError> Read(
        BudgetObject budget,
        out BudgetTerms? terms,
        out LabelSelector selector,
        out LabelSelector? exempt
    )
    {
        var known = budget.Read;
        if (known is null || !ReferenceEquals(known.Spec, budget.BudgetSpec) || known.IsInForce != budget.Refusal?.InForce is not null)
        {
            var errors = new List<FieldError>();
            var coverage = ReadCoverage(budget.BudgetSpec, errors);
            Read(budget, out terms, out selector, out exempt, errors);
            var limits = ReadLimits(budget.BudgetSpec, terms, errors);
            var perLabel = ReadPerLabel(budget.BudgetSpec, terms, errors);
            if (errors.Count > 0)
                terms = null;
            budget.Read = known = new(budget.BudgetSpec, budget.Refusal?.InForce is not null, errors, terms, selector, exempt, coverage)
            {
                Limits = limits,
                PerLabel = perLabel,
            };
        }
        (terms, selector, exempt) = (known.Terms, known.Selector, known.Exempt);
        return known.Errors;
    }

    /// <summary>Returns the namespaces that a ClusterGpuBudget covers, from the spec in force; null for a GpuBudget.</summary>
    public static NamespaceCoverage? CoverageOf(BudgetObject budget)
    {
        Read(budget, out _, out _, out _);
        return budget.Read!.Coverage;
    }

    /// <summary>
    /// Returns the limits inside a budget, each as an object on which it is decided like on a budget of its own. Empty if the spec is
    /// invalid.
    /// </summary>
    /// <param name="labelValues">The values of the label of <c>spec.perLabel</c> that have a limit.</param>
    public static IReadOnlyList<BudgetObject> LimitsOf(BudgetObject budget, IReadOnlyList<string> labelValues)
    {
        if (Read(budget, out _, out var selector, out _).Count > 0)
            return [];
        var read = budget.Read!;
        var limits = new List<BudgetObject>();
        foreach (var (name, terms) in read.Limits)
            limits.Add(budget.LimitOf(name, terms, selector));
        if (read.PerLabel is { } perLabel)
            foreach (var value in labelValues)
                limits.Add(
                    budget.LimitOf(
                        $"{perLabel.Key}={value}",
                        perLabel.Terms,
                        selector with
                        {
                            MatchLabels = new SortedDictionary<string, string>(selector.MatchLabels.ToDictionary(), StringComparer.Ordinal)
                            {
                                [perLabel.Key] = value,
                            },
                        }
                    )
                );
        return limits;
    }

    /// <summary>Returns the label whose values have limits of their own; null if there is none.</summary>
    public static string? LimitedLabelOf(BudgetObject budget) =>
        Read(budget, out _, out _, out _).Count > 0 ? null : budget.Read!.PerLabel?.Key;

    private static IReadOnlyList<(string Name, BudgetTerms Terms)> ReadLimits(
        GpuBudgetSpec? spec,
        BudgetTerms? whole,
        List<FieldError> errors
    )
    {
        var limits = new List<(string, BudgetTerms)>();
        foreach (var (field, unit, value) in MeasuresOf(spec?.Limit).Skip(1))
        {
            var amount = ReadAmount(value, $"spec.limit.{field}", unit, errors);
            if (whole is not null)
                limits.Add((field, Partial(whole, amount, new(unit))));
        }
        var list = spec?.Limits ?? [];
        if (list.Count > MostLimits)
            errors.Add(new("spec.limits", $"has {list.Count} entries, at most {MostLimits} are allowed"));
        for (var i = 0; i < Math.Min(list.Count, MostLimits); i++)
        {
            var (one, path) = (list[i], $"spec.limits[{i}]");
            var (amount, unit) = ReadOneLimit(
                new() { Cost = one.Cost, GpuHours = one.GpuHours },
                path,
                "set either cost or gpuHours",
                errors
            );
            if (
                one.Name is not { Length: > 0 and <= 63 } name
                || name.Any(c => c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '-'))
            )
                errors.Add(new($"{path}.name", "must consist of lower case letters, digits and dashes"));
            else if (MeasuresOf(spec!.Limit).Skip(1).Any(measure => measure.Field == name))
                errors.Add(new($"{path}.name", $"\"{name}\" is the name of the limit of that field in spec.limit"));
            else if (list.Take(i).Any(other => other.Name == name))
                errors.Add(new($"{path}.name", $"\"{name}\" is there twice"));
            else if (one.Match is not { Product.Length: > 0 } and not { CapacityType.Length: > 0 })
                errors.Add(new($"{path}.match", "set product, capacityType or both"));
            else if (whole is not null)
                limits.Add((name, Partial(whole, amount, new(unit, one.Match.Product, one.Match.CapacityType))));
        }
        return limits;
    }

    private static (string Key, BudgetTerms Terms)? ReadPerLabel(GpuBudgetSpec? spec, BudgetTerms? whole, List<FieldError> errors)
    {
        if (spec?.PerLabel is not { } perLabel)
            return null;
        var (amount, unit) = ReadOneLimit(
            perLabel.Limit,
            "spec.perLabel.limit",
            "set exactly one of cost, gpuHours, energyKWh, co2eKg and tokens",
            errors
        );
        if (LabelSyntax.KeyError(perLabel.Key ?? "") is { } bad)
            errors.Add(new("spec.perLabel.key", $"\"{Shorten(perLabel.Key ?? "")}\" {bad}"));
        return whole is null ? null : (perLabel.Key ?? "", Partial(whole, amount, new(unit)));
    }

    private static (Amount Amount, UsageUnit Unit) ReadOneLimit(
        GpuBudgetLimit? limit,
        string path,
        string exactlyOne,
        List<FieldError> errors
    )
    {
        if (MeasuresOf(limit).ToArray() is not [var (field, unit, value)])
        {
            errors.Add(new(path, exactlyOne));
            return (Amount.Zero, UsageUnit.Cost);
        }
        return (ReadAmount(value, $"{path}.{field}", unit, errors), unit);
    }

    private static IEnumerable<(string Field, UsageUnit Unit, string Value)> MeasuresOf(GpuBudgetLimit? limit)
    {
        foreach (var (field, unit, value) in Measures)
            if (limit is not null && value(limit) is { } text)
                yield return (field, unit, text);
    }

    /// <summary>Whether the budget or a limit inside it counts what agents measure.</summary>
    public static bool CountsMeasured(BudgetObject budget) => Counts(budget, counted => counted.IsMeasured);

    /// <summary>Whether the budget or a limit inside it counts CO2e.</summary>
    public static bool CountsCo2e(BudgetObject budget) => Counts(budget, counted => counted.Unit == UsageUnit.Co2e);

    private static bool Counts(BudgetObject budget, Func<CountedUsage, bool> counts) =>
        Read(budget, out var terms, out _, out _).Count == 0
        && (
            counts(terms!.Counted)
            || budget.Read!.Limits.Any(limit => counts(limit.Terms.Counted))
            || budget.Read.PerLabel is { } perLabel && counts(perLabel.Terms.Counted)
        );

    /// <summary>Top-ups, grants, rollover, loans and the rule for idle GPUs belong to the budget itself.</summary>
    private static BudgetTerms Partial(BudgetTerms whole, Amount limit, CountedUsage counted) =>
        whole with
        {
            Limit = limit,
            Counted = counted,
            TopUps = [],
            RolloverPercent = 0,
            BorrowingLimit = null,
            LendingLimit = null,
            AutoApprove = null,
            Idle = null,
        };

    private static List<FieldError> Read(
        BudgetObject budget,
        out BudgetTerms? terms,
        out LabelSelector selector,
        out LabelSelector? exempt,
        List<FieldError> errors
    )
    {
        terms = null;
        exempt = null;
        selector = LabelSelector.Everything;
        // The mistyped fields of the object do not belong to an earlier spec that is in force.
        if (budget.Refusal?.InForce is null)
            MistypedSpec.Report(budget.Metadata, "spec", errors);
        if (budget.BudgetSpec is not { } spec)
        {
            errors.Add(new("spec", "is required"));
            return errors;
        }

        var own = MeasuresOf(spec.Limit).Append(("cost", UsageUnit.Cost, null!)).First();
        var limit = ReadAmount(own.Value, $"spec.limit.{own.Field}", own.Unit, errors);
        var window = ReadWindow(spec.Window, errors);
        if (
            window is { Period: WindowPeriod.Rolling }
            && MeasuresOf(spec.Limit).Concat(MeasuresOf(spec.PerLabel?.Limit)).Any(one => new CountedUsage(one.Unit).IsMeasured)
        )
            errors.Add(new("spec.window.period", "a Rolling window has no fixed start, so it cannot limit energyKWh, co2eKg or tokens"));
        var topUps = new List<TopUp>();
        if (spec.TopUps is { } list)
        {
            if (list.Count > MostTopUps)
                errors.Add(new("spec.topUps", $"has {list.Count} entries, at most {MostTopUps} are allowed"));
            for (var i = 0; i < Math.Min(list.Count, MostTopUps); i++)
            {
                var amount = ReadAmount(list[i].Amount, $"spec.topUps[{i}].amount", errors);
                var key = list[i].Window ?? "";
                if (window is not null && !Window.IsKeyOf(window, key))
                    errors.Add(new($"spec.topUps[{i}].window", $"\"{key}\" does not name a window of period {window.Period}"));
                topUps.Add(new(amount, key, list[i].Reason ?? ""));
            }
        }
        selector = WorkloadSelectors.Read(spec.Selector, "spec.selector", errors);
        if (spec.Exempt is not null)
        {
            exempt = WorkloadSelectors.Read(spec.Exempt, "spec.exempt", errors);
            if (exempt.IsEmpty)
                errors.Add(new("spec.exempt", "an empty selector would exempt all work; use mode: Observe for that"));
        }
        var thresholds = spec.Thresholds ?? [50, 80, 100];
        if (thresholds.Count > MostThresholds)
            errors.Add(new("spec.thresholds", $"has {thresholds.Count} entries, at most {MostThresholds} are allowed"));
        foreach (var threshold in thresholds)
            if (threshold is < 1 or > 1000)
                errors.Add(new("spec.thresholds", $"{threshold} is not between 1 and 1000 percent"));

        var training = spec.Training ?? new();
        var resume = training.Resume ?? new();
        var settle = ReadDuration(training.Settle ?? "60s", "spec.training.settle", errors);
        var grace = ReadDuration((training.Checkpoint ?? new()).Grace ?? "5m", "spec.training.checkpoint.grace", errors);
        var read = new BudgetTerms
        {
            Limit = limit,
            Counted = own.Unit == UsageUnit.Cost ? CountedUsage.Cost : new(own.Unit),
            TopUps = topUps,
            Window = window ?? new(WindowPeriod.Month),
            RolloverPercent = spec.Rollover is null ? 0 : ReadPercent(spec.Rollover.MaxPercent ?? 0, "spec.rollover.maxPercent", errors),
            BorrowingLimit = spec.Borrowing is null
                ? null
                : ReadAmount(spec.Borrowing.Limit, "spec.borrowing.limit", UsageUnit.Cost, errors),
            LendingLimit = spec.Lending is null ? null : ReadAmount(spec.Lending.Limit, "spec.lending.limit", UsageUnit.Cost, errors),
            AutoApprove = spec.AutoApprove is { MaxPercent: { } percent, PerWindow: { } count } ? new(percent, count) : null,
            Mode = ReadEnum(spec.Mode, EnforcementMode.Enforce, "spec.mode", errors),
            Thresholds = [.. thresholds.Distinct().Order()],
            UnknownDuration = ReadEnum(training.UnknownDuration, UnknownDuration.UntilExhausted, "spec.training.unknownDuration", errors),
            SuspendWhen = ReadEnum(training.SuspendWhen, SuspendWhen.Likely, "spec.training.suspendWhen", errors),
            TolerancePercent = ReadPercent(training.TolerancePercent ?? 0, "spec.training.tolerancePercent", errors),
            Settle = settle,
            Victims = ReadEnum(training.Victims, VictimOrder.LeastLost, "spec.training.victims", errors),
            Resume = ReadEnum(resume.Policy, ResumePolicy.Automatic, "spec.training.resume.policy", errors),
            HeadroomPercent = ReadPercent(resume.HeadroomPercent ?? 5, "spec.training.resume.headroomPercent", errors),
            CheckpointGrace = grace,
            WhenExhausted = ReadEnum(
                spec.Inference?.WhenExhausted is "Floor" ? null : spec.Inference?.WhenExhausted,
                WhenExhausted.MinReplicas,
                "spec.inference.whenExhausted",
                errors
            ),
            NewPods = ReadEnum(spec.Interactive?.WhenExhausted, NewPodsWhenExhausted.Report, "spec.interactive.whenExhausted", errors),
            Idle = spec.Idle is null ? null : ReadIdle(spec.Idle, errors),
        };
        if (settle > TimeSpan.FromHours(24))
            errors.Add(new("spec.training.settle", "must be at most 24h"));
        if (spec.Rollover is { MaxPercent: null or < 1 })
            errors.Add(new("spec.rollover.maxPercent", "must be from 1 to 100"));
        if (spec.Rollover is not null && window is { Period: WindowPeriod.Rolling or WindowPeriod.Once })
            errors.Add(new("spec.rollover", $"a window of period {window.Period} has no next one"));
        if ((spec.Borrowing is not null || spec.Lending is not null) && window is { Period: WindowPeriod.Rolling or WindowPeriod.Once })
            errors.Add(
                new(
                    spec.Borrowing is not null ? "spec.borrowing" : "spec.lending",
                    $"a window of period {window.Period} has no next one, from which a loan could be repaid"
                )
            );
        if (spec.AutoApprove is { MaxPercent: null or < 1 or > 100 })
            errors.Add(new("spec.autoApprove.maxPercent", "must be from 1 to 100"));
        if (spec.AutoApprove is { PerWindow: null or < 1 or > GrantDecider.MostInWindow })
            errors.Add(new("spec.autoApprove.perWindow", $"must be from 1 to {GrantDecider.MostInWindow}"));
        if (grace > TimeSpan.FromHours(1))
            errors.Add(new("spec.training.checkpoint.grace", "must be at most 1h"));
        if (errors.Count == 0)
            terms = read;
        return errors;
    }

    private static IdleTerms ReadIdle(GpuBudgetIdle idle, List<FieldError> errors)
    {
        var (before, after) = (errors.Count, ReadDuration(idle.After ?? "2h", "spec.idle.after", errors));
        if (errors.Count == before && (after < TimeSpan.FromMinutes(5) || after > TimeSpan.FromDays(30)))
            errors.Add(new("spec.idle.after", "must be from 5m to 30d"));
        var below = idle.BelowPercent ?? 3;
        if (below is < 1 or > 100)
            errors.Add(new("spec.idle.belowPercent", "must be from 1 to 100"));
        return new(after, below, ReadEnum(idle.Action, IdleAction.Report, "spec.idle.action", errors));
    }

    public static bool TryReadSelector(BudgetObject budget, out LabelSelector selector)
    {
        var errors = new List<FieldError>();
        if (budget.Refusal?.InForce is null)
            MistypedSpec.Report(budget.Metadata, "spec.selector", errors);
        selector = WorkloadSelectors.Read(budget.BudgetSpec?.Selector, "spec.selector", errors);
        return budget.BudgetSpec is not null && errors.Count == 0;
    }

    private static NamespaceCoverage? ReadCoverage(GpuBudgetSpec? spec, List<FieldError> errors)
    {
        if (spec is not ClusterGpuBudgetSpec cluster)
            return null;
        if (cluster.Namespaces is null && cluster.NamespaceSelector is null)
            errors.Add(new("spec.namespaces", "name the namespaces, or set a namespaceSelector"));
        var names = cluster.Namespaces ?? [];
        if (names.Count > MostNamespaces)
            errors.Add(new("spec.namespaces", $"has {names.Count} entries, at most {MostNamespaces} are allowed"));
        return new(
            names.ToHashSet(StringComparer.Ordinal),
            cluster.NamespaceSelector is null ? null : WorkloadSelectors.Read(cluster.NamespaceSelector, "spec.namespaceSelector", errors)
        );
    }

    private static Amount ReadAmount(string? text, string path, UsageUnit unit, List<FieldError> errors)
    {
        if (unit == UsageUnit.Tokens && text?.Contains('.', StringComparison.Ordinal) == true)
            errors.Add(new(path, $"\"{Shorten(text)}\" is not a whole number"));
        return ReadAmount(text, path, errors);
    }

    private static Amount ReadAmount(string? text, string path, List<FieldError> errors)
    {
        if (Amount.TryParse(text, out var amount))
            return amount;
        errors.Add(
            new(
                path,
                text is null
                    ? "is required"
                    : $"\"{Shorten(text)}\" is not an amount: digits with an optional fraction, as \"500\" or \"2.295\""
            )
        );
        return Amount.Zero;
    }

    private static WindowSpec? ReadWindow(GpuBudgetWindow? window, List<FieldError> errors)
    {
        window ??= new();
        var before = errors.Count;
        var period = ReadEnum(window.Period, WindowPeriod.Month, "spec.window.period", errors);
        TimeSpan? length = window.Length is null ? null : ReadDuration(window.Length, "spec.window.length", errors);
        var start = ReadTime(window.Start, "spec.window.start", errors);
        var end = ReadTime(window.End, "spec.window.end", errors);
        if (errors.Count > before)
            return null;
        var spec = new WindowSpec(period, window.TimeZone ?? "UTC", length, start, end);
        var wrong = spec.Validate("spec.window");
        errors.AddRange(wrong);
        return wrong.Count == 0 ? spec : null;
    }

    private static TEnum ReadEnum<TEnum>(string? text, TEnum byDefault, string path, List<FieldError> errors)
        where TEnum : struct, Enum
    {
        if (text is null)
            return byDefault;
        foreach (var name in Enum.GetNames<TEnum>())
            if (name == text)
                return Enum.Parse<TEnum>(name);
        errors.Add(new(path, $"\"{Shorten(text)}\" is none of {string.Join(", ", Enum.GetNames<TEnum>())}"));
        return byDefault;
    }

    private static TimeSpan ReadDuration(string text, string path, List<FieldError> errors)
    {
        if (GoDuration.TryParse(text, out var duration) && duration >= TimeSpan.Zero)
            return duration;
        errors.Add(new(path, $"\"{Shorten(text)}\" is not a duration such as 90s, 2h30m or 30d"));
        return TimeSpan.Zero;
    }

    private static DateTimeOffset? ReadTime(string? text, string path, List<FieldError> errors)
    {
        if (text is null)
            return null;
        if (Rfc3339.TryParse(text, out var at))
            return at;
        errors.Add(new(path, $"\"{Shorten(text)}\" is not a time such as 2026-11-21T00:00:00Z"));
        return null;
    }

    private static int ReadPercent(int value, string path, List<FieldError> errors)
    {
        if (value is < 0 or > 100)
            errors.Add(new(path, string.Create(CultureInfo.InvariantCulture, $"{value} is not between 0 and 100 percent")));
        return value;
    }

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "…";
}

/// <summary>The cached result of reading a spec.</summary>
/// <param name="IsInForce">The spec is an earlier one that is in force instead of the object's own.</param>
internal sealed record BudgetSpecRead(
    GpuBudgetSpec? Spec,
    bool IsInForce,
    IReadOnlyList<FieldError> Errors,
    BudgetTerms? Terms,
    LabelSelector Selector,
    LabelSelector? Exempt,
    NamespaceCoverage? Coverage
)
{
    /// <summary>The limits inside the budget that the spec names.</summary>
    public IReadOnlyList<(string Name, BudgetTerms Terms)> Limits { get; init; } = [];

    /// <summary>The label whose values have limits of their own, with the terms of each. Null: none.</summary>
    public (string Key, BudgetTerms Terms)? PerLabel { get; init; }
}
