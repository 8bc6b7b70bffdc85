using System.Text;
using Bursar.Kube.Http;
using Bursar.Kube.Objects;

namespace Bursar.Kube.Client;

public sealed partial class KubeClient
{
    /// <summary>
    /// Lists objects page by page. When the server forgets the list between two pages (410), the list starts again, from the
    /// second time on in one page, so that it ends.
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
            try
            {
                ListPage page;
                do
                {
                    page = await ListPageAsync(options, limit, next, items, unit, cancellationToken).ConfigureAwait(false);
                    next = page.Continue;
                }
                while (next is not null);
                return new KubeList<T>(items, page.ResourceVersion);
            }
            catch (ApiException gone) when (gone.IsExpired && next is not null)
            {
                // A part of one state and a part of another is no list.
            }
        }
    }

    private async Task<ListPage> ListPageAsync<T>(ListOptions options, int limit, string? next, List<T> items, ActivityUnit? unit, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        StringBuilder query = new(T.EntityKind.Path(options.Namespace));
        char separator = '?';
        void Add(string name, string? value)
        {
            if (string.IsNullOrEmpty(value)) return;
            query.Append(separator).Append(name).Append('=').Append(Uri.EscapeDataString(value));
            separator = '&';
        }

        Add("labelSelector", options.LabelSelector);
        Add("fieldSelector", options.FieldSelector);
        if (limit > 0) Add("limit", limit.ToString());
        Add("continue", next);
        // A continue token carries its version; the server refuses both.
        if (next is null) Add("resourceVersion", options.ResourceVersion);
        int before = items.Count;
        using Deadline deadline = new(_options.RequestTimeout, TimeProvider, cancellationToken);
        for (int failed = 0; ; failed++)
        {
            try
            {
                return await deadline.GuardAsync(async token =>
                {
                    using HttpResponseMessage response = (await OpenAsync(new KubeRequest(HttpMethod.Get, query.ToString()), unit, deadline, token).ConfigureAwait(false)).Response;
                    await using Stream body = await response.Content.ReadAsStreamAsync(token).ConfigureAwait(false);
                    using JsonStream json = new(body, deadline.Restart);
                    return await EntityJson.ReadListAsync(json, items, odd => LogOddObject(T.EntityKind.Kind, odd.Message), token).ConfigureAwait(false);
                }).ConfigureAwait(false);
            }
            catch (IOException) when (failed < _options.MaxReadRetries && !cancellationToken.IsCancellationRequested)
            {
                // Cut off in the middle: the page is asked for anew.
                items.RemoveRange(before, items.Count - before);
            }
        }
    }
}
