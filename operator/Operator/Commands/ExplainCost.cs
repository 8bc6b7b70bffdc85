using System.Globalization;
using System.Text;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;

namespace Bursar.Operator.Commands;

/// <summary>Explains what each workload cost: GPU time, the share of a card and its memory, the rate and its source, and energy.</summary>
internal static class ExplainCost
{
    private const int ShownWorkloads = 20;
    private const int ShownTerms = 10;
    private const decimal MillijoulesPerKWh = 3_600_000_000m;

    /// <param name="ledger">The ledger.</param>
    /// <param name="book">The price book, which explains the rates; null if it cannot be read.</param>
    /// <param name="ns">The budget's namespace; empty for a ClusterGpuBudget.</param>
    /// <param name="namespaces">The namespaces that the budget covers.</param>
    /// <param name="selector">The budget's selector.</param>
    /// <param name="from">The start of its window.</param>
    /// <param name="now">The time up to which the ledger is complete.</param>
    public static string Format(
        GpuLedger ledger,
        PriceBook? book,
        string ns,
        IReadOnlyList<string> namespaces,
        LabelSelector selector,
        DateTimeOffset from,
        DateTimeOffset now
    )
    {
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $"\nCost of workloads since {Rfc3339.Format(from)}: time × GPUs × hourly rate (of the share used)\n"
        );
        var spends = namespaces.SelectMany(one => ledger.SpentByWorkload(one, selector, from, now, now)).ToArray();
        if (spends.Length == 0)
            text.Append("  none\n");
        var entries = namespaces
            .SelectMany(one => ledger.Entries(one, from, now, now))
            .ToLookup(entry => entry.Workload.Uid, StringComparer.Ordinal);
        foreach (
            var spend in spends
                .OrderByDescending(one => one.Spent)
                .ThenBy(one => one.Workload.Name, StringComparer.Ordinal)
                .ThenBy(one => one.Workload.Namespace, StringComparer.Ordinal)
                .Take(ShownWorkloads)
        )
        {
            text.Append(CultureInfo.InvariantCulture, $"  {spend.Workload.DisplayName(ns)}  {spend.Spent}\n");
            // A workload's pods may have labels that the budget does not select. Only entries in its sum have a term.
            var terms = entries[spend.Workload.Uid]
                .GroupBy(entry => (entry.Product, entry.Share, entry.Gpus, entry.Rate))
                .Select(group => (group.Key, Milliseconds: group.Sum(entry => Length(entry, now))))
                .ToArray();
            foreach (var ((product, share, gpus, rate), milliseconds) in terms.Take(ShownTerms))
                Term(text, product, share, gpus, rate, milliseconds);
            if (terms.Length > ShownTerms)
                text.Append(CultureInfo.InvariantCulture, $"    and {terms.Length - ShownTerms} more\n");
            Measured(text, spend, terms.Sum(term => term.Milliseconds * term.Key.Gpus));
            foreach (var (product, rate) in terms.Select(term => (term.Key.Product, ledger.RateOf(term.Key.Product, now))).Distinct())
                if (rate is { } known && Source(book, product, known) is { } source)
                    text.Append(CultureInfo.InvariantCulture, $"    {known}/h of {product}: {source}\n");
        }
        if (spends.Length > ShownWorkloads)
            text.Append(CultureInfo.InvariantCulture, $"  and {spends.Length - ShownWorkloads} more\n");
        return text.ToString();
    }

    private static void Term(StringBuilder text, string product, DeviceShare share, int gpus, GpuHourPrice? rate, long milliseconds)
    {
        var part = share.IsWhole ? "" : $" × {share}";
        text.Append(
            CultureInfo.InvariantCulture,
            $"    {milliseconds / 1000m:0.###} s × {gpus}{part} of {(product.Length > 0 ? product : "a card that is not labelled")}"
        );
        text.Append(
            rate is { } known
                ? string.Create(CultureInfo.InvariantCulture, $" at {known}/h = {(known * gpus).For(milliseconds)}\n")
                : ": no price\n"
        );
    }

    /// <param name="held">The time of the terms in GPU-milliseconds. A part of a GPU counts as one.</param>
    private static void Measured(StringBuilder text, WorkloadSpend spend, long held)
    {
        var usage = spend.Usage;
        if (usage.MeasuredMs <= 0)
            return;
        // An agent measures up to its first sample after the end of a pod, a little longer than what is billed.
        var sameTime = spend.DaysReservedGpuMs == spend.ReservedGpuMs;
        var measured = sameTime ? Math.Min(usage.MeasuredMs, Math.Max(held, (long)spend.ReservedGpuMs)) : usage.MeasuredMs;
        text.Append(
            CultureInfo.InvariantCulture,
            $"    measured for {measured / 1000m:0.###} GPU-seconds{(sameTime ? "" : " on the UTC days of this time")}, busy {usage.BusyMs * 100 / usage.MeasuredMs} %"
        );
        if (usage.MemoryMiBMs > 0)
            text.Append(
                CultureInfo.InvariantCulture,
                $", {(decimal)usage.MemoryMiBMs / usage.MeasuredMs / 1024:0.##} GiB of device memory on average"
            );
        if (usage.EnergyMj > 0)
            text.Append(
                CultureInfo.InvariantCulture,
                $", {usage.EnergyMj / MillijoulesPerKWh:0.######} kWh, {(decimal)usage.EnergyMj / usage.MeasuredMs:0.#} W on average; power is included in the rate"
            );
        text.Append('\n');
    }

    /// <summary>Returns the rule of the price book that gives this rate: its derivation or its note.</summary>
    private static string? Source(PriceBook? book, string priceClass, GpuHourPrice rate)
    {
        var product = PriceClassName.ProductOf(priceClass);
        var rule = book?.Rates.FirstOrDefault(one => one.Match.MatchesProduct(product) && one.RateFor(product) == rate);
        return rule?.Owned is { } owned ? owned.ToString() + (rule.Note is { Length: > 0 } also ? $" ({also})" : "")
            : rule?.Note is { Length: > 0 } note ? note
            : null;
    }

    private static long Length(LedgerEntry entry, DateTimeOffset now) =>
        ((entry.To ?? now).ToUnixTimeMilliseconds() - entry.From.ToUnixTimeMilliseconds());
}
