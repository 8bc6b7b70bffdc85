using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Http;

namespace Bursar.Kubernetes.Objects;

/// <summary>The fields of a list page besides its items.</summary>
internal sealed record ListPage(string ResourceVersion, string? Continue, string? Kind);

/// <summary>Decodes objects, lists and watch events of any kind. A list is decoded item by item as its bytes arrive.</summary>
internal static class EntityJson
{
    /// <summary>Reads an object. A field of an unexpected type is converted or reads as absent, and is named in the metadata.</summary>
    /// <exception cref="JsonException">No object, or unexpected types without readable metadata to report them in.</exception>
    public static T Read<T>(ReadOnlySpan<byte> json)
        where T : class, IKubernetesEntity<T>
    {
        JsonTypeInfo<T> type = T.JsonTypeInfo;
        // Kinds with a converter of their own skip unexpected values themselves.
        bool mayNeedFitting = type.Kind == JsonTypeInfoKind.Object;
        List<MistypedField>? mistyped = null;
        List<MistypedTokens.Token>? tokens = null;
        T? obj = null;
        try
        {
            MistypedTokens.Begin();
            if (!mayNeedFitting || !FittedJson.HasNullItem(json))
            {
                try
                {
                    obj = JsonSerializer.Deserialize(json, type);
                }
                catch (JsonException) when (mayNeedFitting)
                {
                    // Read again below, without the values of unexpected types.
                }
            }

            if (obj is null && mayNeedFitting)
            {
                json = FittedJson.Fit(json, type, mistyped = []);
                MistypedTokens.Begin();
                obj = JsonSerializer.Deserialize(json, type);
            }

            tokens = MistypedTokens.End();
            if (tokens is not null)
                MistypedTokens.Resolve(json, tokens, mistyped ??= []);
        }
        catch (InvalidOperationException broken)
        {
            // A string with a lone surrogate passes the parser and fails only when it is read.
            throw new JsonException(broken.Message, broken);
        }
        finally
        {
            MistypedTokens.End();
        }

        if (obj is null)
            throw new JsonException($"The server sent null for a {T.EntityKind.Kind}.");
        if (mistyped is not { Count: > 0 })
            return obj;
        if (ReferenceEquals(obj.Metadata, V1ObjectMeta.Empty))
            throw new JsonException($"A {T.EntityKind.Kind} without metadata: {mistyped[0]}.");
        obj.Metadata.MistypedFields = mistyped;
        return obj;
    }

    /// <summary>
    /// Reads one page into <paramref name="items"/>. Calls <paramref name="onContinue"/> with the continue token as soon as the list's
    /// metadata is read, which API servers write before the items. An item that does not decode is reported and left out.
    /// </summary>
    public static async ValueTask<ListPage> ReadListAsync<T>(
        JsonStream json,
        List<T> items,
        Action<string>? onContinue,
        Action<JsonException> onUndecodable,
        CancellationToken cancellationToken
    )
        where T : class, IKubernetesEntity<T>
    {
        string version = "";
        string? next = null,
            kind = null;
        await json.ExpectAsync((byte)'{', cancellationToken).ConfigureAwait(false);
        bool first = true;
        while (true)
        {
            if (await json.PeekAsync(cancellationToken).ConfigureAwait(false) == '}')
            {
                json.Advance(1);
                return new ListPage(version, next, kind);
            }

            if (!first)
            {
                await json.ExpectAsync((byte)',', cancellationToken).ConfigureAwait(false);
                await json.PeekAsync(cancellationToken).ConfigureAwait(false);
            }

            first = false;
            int length = await json.MeasureAsync(cancellationToken).ConfigureAwait(false);
            Part part = json.Span(length) switch
            {
                [.. var name] when name.SequenceEqual("\"items\""u8) => Part.Items,
                [.. var name] when name.SequenceEqual("\"metadata\""u8) => Part.Metadata,
                [.. var name] when name.SequenceEqual("\"kind\""u8) => Part.Kind,
                _ => Part.Other,
            };
            json.Advance(length);
            await json.ExpectAsync((byte)':', cancellationToken).ConfigureAwait(false);
            int start = await json.PeekAsync(cancellationToken).ConfigureAwait(false);
            if (part == Part.Items && start == '[')
            {
                json.Advance(1);
                await ReadItemsAsync(json, items, onUndecodable, cancellationToken).ConfigureAwait(false);
                continue;
            }

            length = await json.MeasureAsync(cancellationToken).ConfigureAwait(false);
            if (part == Part.Metadata)
                (version, next) = ReadMetadata(json.Span(length));
            else if (part == Part.Kind)
                kind = ReadText(json.Span(length));
            json.Advance(length);
            if (part == Part.Metadata && next is not null)
                onContinue?.Invoke(next);
        }
    }

    /// <summary>Returns the type and the object's position of a watch event. The object stays bytes until its type is known.</summary>
    public static (string Type, Range Object) ReadEvent(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json, KubeJson.ReaderOptions);
        string type = "";
        Range found = default;
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("type"u8))
            {
                reader.Read();
                type = StringPool.Get(ref reader);
            }
            else if (reader.ValueTextEquals("object"u8))
            {
                reader.Read();
                int from = (int)reader.TokenStartIndex;
                reader.Skip();
                found = from..(int)reader.BytesConsumed;
            }
            else
            {
                reader.Skip();
            }
        }

        return (type, found);
    }

    /// <summary>
    /// Finds the object of an event that is written as API servers do: the type first and nothing after the object. Returns false for any
    /// other order. This saves a walk through the object. Anything that does follow the object makes it unreadable.
    /// </summary>
    public static bool TryReadPlainEvent(ReadOnlySpan<byte> json, out string type, out Range found)
    {
        (type, found) = ("", default);
        if (!json.StartsWith("{\"type\":\""u8))
            return false;
        ReadOnlySpan<byte> rest = json[9..];
        int end = rest.IndexOf((byte)'"');
        if (end < 0 || !rest[end..].StartsWith("\",\"object\":{"u8) || json[^1] != '}')
            return false;
        type = StringPool.Get(rest[..end]);
        found = (9 + end + 11)..(json.Length - 1);
        return true;
    }

    private static async ValueTask ReadItemsAsync<T>(
        JsonStream json,
        List<T> items,
        Action<JsonException> onUndecodable,
        CancellationToken cancellationToken
    )
        where T : class, IKubernetesEntity<T>
    {
        while (true)
        {
            int next = await json.PeekAsync(cancellationToken).ConfigureAwait(false);
            if (next == ']')
            {
                json.Advance(1);
                return;
            }

            if (next == ',')
            {
                json.Advance(1);
                next = await json.PeekAsync(cancellationToken).ConfigureAwait(false);
            }

            if (next < 0)
                throw new JsonException("The response ends in the middle of a list.");
            int length = await json.MeasureAsync(cancellationToken).ConfigureAwait(false);
            json.HideManagedFields(length);
            try
            {
                items.Add(Read<T>(json.Span(length)));
            }
            catch (JsonException error)
            {
                onUndecodable(error);
            }

            json.Advance(length);
        }
    }

    private static (string Version, string? Continue) ReadMetadata(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json);
        string version = "";
        string? next = null;
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("resourceVersion"u8))
                version = Wire.Text(ref reader) ?? "";
            else if (reader.ValueTextEquals("continue"u8))
                next = Wire.Text(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return (version, string.IsNullOrEmpty(next) ? null : next);
    }

    private static string? ReadText(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json);
        reader.Read();
        return reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
    }

    private enum Part
    {
        Other,
        Items,
        Metadata,
        Kind,
    }
}
