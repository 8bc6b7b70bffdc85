using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Core.Text;

namespace Bursar.Operator.Scaling.External;

/// <summary>The query in an <c>external</c> trigger's metadata: the decision of an InferenceScaler, or one of Bursar's triggers.</summary>
internal abstract record ScalerQuery
{
    /// <summary>Triggers that KEDA does not have itself.</summary>
    public static readonly IReadOnlyList<string> Triggers = ["tokens", "queue", "kv-cache", "gpu-utilization", "latency"];

    private const string Scaler = "inferenceScaler";
    private const string Trigger = "trigger";
    private const string CostCap = "costCapPerHour";

    /// <summary>KEDA's own keys for its connection to this endpoint.</summary>
    private static readonly FrozenSet<string> ConnectionKeys = FrozenSet.Create(
        StringComparer.Ordinal,
        "scalerAddress",
        "enableTLS",
        "unsafeSsl",
        "caCert",
        "tlsCertFile",
        "tlsClientCert",
        "tlsClientKey"
    );

    private ScalerQuery() { }

    /// <summary>
    /// <c>inferenceScaler: chat</c>: the replicas that the InferenceScaler with this name, in the ScaledObject's namespace, decides on.
    /// </summary>
    public sealed record OfScaler(string Name) : ScalerQuery;

    /// <summary><c>trigger: queue</c> with the keys of that trigger.</summary>
    /// <param name="Terms">The trigger as in an InferenceScaler, named after its type.</param>
    /// <param name="CostCapPerHour">The highest hourly cost of the target; null for no cap.</param>
    public sealed record OfTrigger(TriggerTerms Terms, HourlyCost? CostCapPerHour) : ScalerQuery
    {
        /// <summary>One of <see cref="Triggers"/>.</summary>
        public string Type => Terms.Name;

        public IReadOnlyDictionary<string, string> Keys => Terms.Metadata;
    }

    /// <param name="metadata">A trigger's metadata, including KEDA's own keys.</param>
    /// <param name="query">The parsed query.</param>
    /// <param name="error">The error, with the key.</param>
    public static bool TryRead(
        IReadOnlyDictionary<string, string> metadata,
        [NotNullWhen(true)] out ScalerQuery? query,
        [NotNullWhen(false)] out string? error
    )
    {
        (query, error) = (null, null);
        var named = metadata.TryGetValue(Scaler, out var scaler);
        if (named == metadata.TryGetValue(Trigger, out var type))
        {
            error = named ? $"{Scaler} and {Trigger} exclude each other" : $"{Scaler} or {Trigger} is missing";
            return false;
        }
        var own = metadata
            .Where(pair => !ConnectionKeys.Contains(pair.Key) && pair.Key is not (Scaler or Trigger or CostCap))
            .ToDictionary(StringComparer.Ordinal);
        if (named)
        {
            // Report the first in order, so that the same metadata always gives the same message.
            if (own.Keys.Concat(metadata.ContainsKey(CostCap) ? [CostCap] : []).Min(StringComparer.Ordinal) is { } unknown)
                error = $"{InferenceScalerReader.Shorten(unknown)}: beside {Scaler} it means nothing";
            else if (!IsName(scaler!))
                error = $"{Scaler}: \"{InferenceScalerReader.Shorten(scaler!)}\" is not an object name";
            else
                query = new OfScaler(scaler!);
            return error is null;
        }
        if (!Triggers.Contains(type!))
        {
            error = $"{Trigger}: \"{InferenceScalerReader.Shorten(type!)}\" is none of {string.Join(", ", Triggers)}";
            return false;
        }
        HourlyCost? cap = null;
        if (metadata.TryGetValue(CostCap, out var amount))
        {
            if (!HourlyCost.TryParse(amount, out var rate) || rate == HourlyCost.Zero)
            {
                error = $"{CostCap}: \"{InferenceScalerReader.Shorten(amount)}\" is not an amount above zero, such as 24 or 7.50";
                return false;
            }
            cap = rate;
        }
        var errors = new List<FieldError>();
        var terms = TriggerReader.Read(
            new()
            {
                Type = type,
                Name = type,
                Metadata = own,
            },
            0,
            "trigger",
            errors
        );
        if (terms is null)
        {
            // The reader's paths start with trigger.metadata, the user's with metadata.
            error = $"{errors[0].Path["trigger.".Length..]}: {errors[0].Message}";
            return false;
        }
        query = new OfTrigger(terms, cap);
        return true;
    }

    private static bool IsName(string text) =>
        text.Length is > 0 and <= 253
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.')
        && char.IsAsciiLetterOrDigit(text[0])
        && char.IsAsciiLetterOrDigit(text[^1]);
}
