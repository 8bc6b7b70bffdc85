using Bursar.Api;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Client;

namespace Bursar.Operator.Commands;

/// <summary>Reads the default price book for the notes on its rates. It is optional, so null without permission.</summary>
internal static class DefaultBook
{
    public static async Task<PriceBook?> ReadAsync(KubeClient client, CancellationToken cancellationToken)
    {
        try
        {
            var chosen = GpuPriceBookReader.Chosen((await client.ListAsync<V1Alpha1GpuPriceBook>(new(), cancellationToken)).Items);
            return chosen is not null && GpuPriceBookReader.Read(chosen, out var read).Count == 0 ? read : null;
        }
        catch (ApiException refused) when (refused.IsForbidden || refused.IsNotFound)
        {
            return null;
        }
    }
}
