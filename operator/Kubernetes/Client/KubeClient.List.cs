using System.Text;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

public sealed partial class KubeClient
{
    /// <summary>
    /// Lists objects page by page. The next page is requested while the current one is decoded. If the server no longer has the version of
    /// the list (410) between two pages, the list starts again. From the second restart on it requests a single page, so that it ends.
    /// </summary>
    public async Task<KubeList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        using ActivityUnit? unit = ActivityTracker?.Join("list of", T.EntityKind.Plural);
        for (int expired = 0; ; expired++)
        {
            List<T> items = [];
            string? next = null;
            int limit = expired < 2 ? options.Limit : 0;
            OpenPage? nextPage = null;
            try
            {
                ListPage page;
                do
                {
                    OpenPage current = nextPage ?? RequestPage<T>(options, limit, next, unit, cancellationToken);
                    nextPage = null;
                    for (int failed = 0; ; failed++)
                    {
                        int before = items.Count;
                        try
                        {
                            page = await ReadPageAsync(current, items, token =>
                                    nextPage ??= RequestPage<T>(options, limit, token, unit, cancellationToken)
                                )
                                .ConfigureAwait(false);
                            break;
                        }
                        catch (IOException) when (failed < _options.MaxReadRetries && !cancellationToken.IsCancellationRequested)
                        {
                            // The connection broke. Request this page again, and the next one too.
                            items.RemoveRange(before, items.Count - before);
                            if (nextPage is not null)
                                await nextPage.DisposeAsync().ConfigureAwait(false);
                            nextPage = null;
                            current = RequestPage<T>(options, limit, next, unit, cancellationToken);
                        }
                    }

                    next = page.Continue;
                } while (next is not null);
                return new KubeList<T>(items, page.ResourceVersion);
            }
            catch (ApiException expiredVersion) when (expiredVersion.IsExpired && next is not null)
            {
                // Pages of different versions make no consistent list, so start again.
            }
            finally
            {
                if (nextPage is not null)
                    await nextPage.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private OpenPage RequestPage<T>(ListOptions options, int limit, string? next, ActivityUnit? unit, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        StringBuilder query = new((options.Kind ?? T.EntityKind).Path(options.Namespace));
        char separator = '?';
        void Add(string name, string? value)
        {
            if (string.IsNullOrEmpty(value))
                return;
            query.Append(separator).Append(name).Append('=').Append(Uri.EscapeDataString(value));
            separator = '&';
        }

        Add("labelSelector", options.LabelSelector);
        Add("fieldSelector", options.FieldSelector);
        if (limit > 0)
            Add("limit", limit.ToString());
        Add("continue", next);
        // The continue token contains the version, and the server refuses a request with both.
        if (next is null)
            Add("resourceVersion", options.ResourceVersion);
        using (unit?.Carry())
            return new OpenPage(this, new KubeRequest(HttpMethod.Get, query.ToString()), cancellationToken);
    }

    /// <summary>Reads and disposes a page. Calls <paramref name="onContinue"/> with any continue token before it reads the items.</summary>
    private async Task<ListPage> ReadPageAsync<T>(OpenPage page, List<T> items, Action<string> onContinue)
        where T : class, IKubernetesEntity<T>
    {
        await using (page.ConfigureAwait(false))
        {
            HttpResponseMessage response = await page.Response.ConfigureAwait(false);
            // This unit keeps the list busy while the next page waits for a timer.
            using ActivityUnit? reading = ActivityTracker?.Join("reading a page of", T.EntityKind.Plural);
            using Deadline deadline = new(_options.RequestTimeout, TimeProvider, page.Token);
            return await deadline
                .GuardAsync(async token =>
                {
                    await using Stream body = await response.Content.ReadAsStreamAsync(token).ConfigureAwait(false);
                    using JsonStream json = new(body, deadline.Restart);
                    return await EntityJson
                        .ReadListAsync(json, items, onContinue, error => LogOddObject(T.EntityKind.Kind, error.Message), token)
                        .ConfigureAwait(false);
                })
                .ConfigureAwait(false);
        }
    }

    /// <summary>A page that has been requested. Disposing it cancels the request.</summary>
    private sealed class OpenPage : IAsyncDisposable
    {
        private readonly KubeClient _client;
        private readonly CancellationTokenSource _cancellation;

        public OpenPage(KubeClient client, KubeRequest request, CancellationToken cancellationToken)
        {
            _client = client;
            _cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Response = RequestAsync(request);
        }

        public CancellationToken Token => _cancellation.Token;

        public Task<HttpResponseMessage> Response { get; }

        public async ValueTask DisposeAsync()
        {
            await _cancellation.CancelAsync().ConfigureAwait(false);
            await ((Task)Response).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (Response.IsCompletedSuccessfully)
                Response.Result.Dispose();
            _cancellation.Dispose();
        }

        private async Task<HttpResponseMessage> RequestAsync(KubeRequest request)
        {
            // A separate unit, because this request may wait for a timer while the page before it is read.
            using ActivityUnit? unit = _client.ActivityTracker?.Join("page of", request);
            return await _client.OpenAsync(request, Token).ConfigureAwait(false);
        }
    }
}
