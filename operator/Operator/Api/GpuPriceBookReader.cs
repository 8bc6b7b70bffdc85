using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;

namespace Bursar.Operator.Api;

/// <summary>Makes Core's price book of a <c>GpuPriceBook</c>, and the other way round for the default one.</summary>
public static class GpuPriceBookReader
{
    public static IReadOnlyList<FieldError> Read(V1Alpha1GpuPriceBook book, out PriceBook? read)
    {
        var errors = new List<FieldError>();
        read = null;
        if (book.Spec?.Currency is not { Length: 3 } currency)
        {
            errors.Add(new("spec.currency", "is required: three letters, as USD"));
            return errors;
        }
        var rules = new List<PriceRule>();
        var rates = book.Spec.Rates ?? [];
        for (var i = 0; i < rates.Count; i++)
        {
            if (Rate.TryParse(rates[i].PerGpuHour, out var rate)) rules.Add(new(new(rates[i].Match?.Product ?? "*"), rate));
            else errors.Add(new($"spec.rates[{i}].perGpuHour", $"\"{rates[i].PerGpuHour}\" is not an amount: digits with an optional fraction, as \"3.06\""));
        }
        if (errors.Count == 0) read = new(book.Metadata.Name, book.Metadata.Generation, currency, rules);
        return errors;
    }

    /// <summary>The object of a price book: what the operator creates where no book is the default.</summary>
    public static V1Alpha1GpuPriceBook ToObject(PriceBook book) => new()
    {
        Metadata = new() { Name = book.Name },
        Spec = new()
        {
            Default = true,
            Currency = book.Currency,
            Rates = [.. book.Rates.Select(rule => new GpuPriceRate { Match = new() { Product = rule.Match.Product }, PerGpuHour = rule.PerGpuHour.ToString() })],
        },
    };
}
