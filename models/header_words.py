"""What the words in column headers mean, in the nine languages that exports are most often written in."""

import re
import unicodedata
from difflib import get_close_matches
from functools import cache

_WORDS = {
    "customer": """customer customers cust client clients buyer shopper purchaser consumer kunde kunden kaufer kaeufer
        besteller acheteur cliente clientes comprador consumidor acquirente consumatore klant klanten afnemer koper
        auftraggeber regulierer warenempfanger warenempfaenger kund kunder kundens kopare klient klienta klienci
        kupujacy kupujacego nabywca nabywcy odbiorca odbiorcy""",
    "account": """account acct member user visitor subscriber household patient donor guest party contact card person
        debtor debitor konto mitglied nutzer benutzer abonnent haushalt gast compte membre abonne adherent utilisateur
        foyer cuenta socio usuario suscriptor hogar conta assinante membro conto utente abbonato rekening lid gebruiker
        abonnee huishouden karte kundenkarte loyalty carte fidelite tarjeta tessera cartao medlem anvandare uzytkownik
        uzytkownika karta karty kort kundkort""",
    "supplier": """supplier vendor beneficiary payee company lieferant kreditor firma fournisseur beneficiaire societe
        entreprise proveedor beneficiario empresa fornecedor fornitore azienda leverancier begunstigde bedrijf
        leverantor foretag dostawca firmy""",
    "email": "email mail courriel correo epost",
    "name": "name nom nombre nome naam namn nazwa nazwisko",
    "id": """id ids n nr no num number nummer numero code codigo codice cod key kennung schlussel schluessel identifier
        identifiant identificador ref reference referenz referencia uuid guid hash clave chave chiave sleutel kod numer
        numeru identyfikator identifierare nro""",
    "date": """date datetime timestamp time day dt ts at dat datum zeit uhrzeit zeitpunkt zeitstempel tag heure jour
        fecha hora dia data ora giorno tijd tijdstip dag dato datumet tid tidpunkt czas dzien daty timestamps moment
        when""",
    "order": """order orders basket cart ticket receipt bestellung bestellungen bestell auftrag auftrags bon kassenbon
        beleg warenkorb commande commandes panier recu pedido pedidos recibo cesta encomenda ordine ordini scontrino
        carrello bestelling bestel kassabon winkelwagen ordern ordre ordrar bestallning bestallningar kvitto zamowienie
        zamowienia zamowien paragon paragonu""",
    "invoice": """invoice bill voucher document rechnung rechnungs facture factura documento fatura fattura factuur
        faktura faktury fakturan rachunek rachunku""",
    "transaction": """transaction transactions trans trx txn tx event transaktion transaktions transaccion transacao
        transazione transactie transakcja transakcji""",
    "purchase": """purchase purchases purchased sale sales sold kauf einkauf verkauf verkaufs achat achats vente ventes
        compra compras venta ventas venda vendas acquisto acquisti vendita vendite aankoop verkoop kop inkop forsaljning
        salt sprzedaz sprzedazy zakup zakupu zakupow""",
    "payment": """paid payment posting booking zahlung zahlungs buchung buchungs paiement pago pagamento betaling
        boeking completed closed captured betalning betald platnosc platnosci zaplacono""",
    "created": """created creation placed erstellt angelegt cree creado criado creato aangemaakt skapad skapat utworzono
        utworzenia""",
    "amount": """amount amt value total sum revenue turnover spend spent net subtotal betrag wert gesamt summe umsatz
        erlos erloes netto montant valeur somme importe monto valor suma ingresos soma receita importo valore totale
        somma ricavo fatturato bedrag waarde totaal omzet belopp summa totalt intakt kwota wartosc razem przychod
        obrot""",
    "gross": "gross brutto brut bruto lordo",
    "price": "price preis prix precio preco prezzo prijs pris cena ceny",
    "cost": "cost kosten cout costo custo kost kostnad koszt",
    "unit": """unit each per einzel stuck stueck pro unitaire unite unitario unitaria unidad unidade unita stuk eenheid
        eenheids styck jednostkowa jednostka sztuka szt""",
    "quantity": """quantity qty quant units pieces count volume menge anzahl anz stuckzahl stueckzahl quantite qte
        cantidad cant quantidade qtd quantita qta aantal hoeveelheid antal antall ilosc liczba""",
    "sku": "sku skus stock ean upc gtin asin isbn",
    "product": """product item article material lineitem produkt artikel produit
        producto articulo produto artigo prodotto articolo vara varan varor towar towaru artykul artykulu produktu""",
    "description": """description desc title beschreibung bezeichnung titel designation libelle titre descripcion titulo
        descricao descrizione titolo omschrijving beskrivning opis""",
    "category": """category categories group class family genre subclass kategorie gruppe warengruppe klasse categorie
        groupe classe famille rubrique categoria grupo familia gruppo famiglia groep kategori varugrupp kategoria
        kategorii grupa grupy""",
    "channel": """channel store shop branch outlet pos site platform marketplace kanal filiale laden geschaft geschaeft
        standort canal magasin boutique tienda sucursal loja canale negozio kanaal winkel filiaal location vertriebsweg
        absatzkanal verkaufskanal butik butiken sklep sklepu oddzial kanalu""",
    "division": """department dept division service organisational organizational abteilung bereich departement
        departamento dipartimento reparto afdeling avdelning dzial vertriebsorganisation verkaufsorganisation""",
    "discount": """discount disc rebate coupon rabatt nachlass remise reduction descuento desconto sconto korting
        discounts rabat rabatu znizka upust prisavdrag""",
    "currency": """currency curr ccy wahrung waehrung devise monnaie moneda divisa moeda valuta munt currencies wahrg
        waehrg wahr whg waluta waluty""",
    "contract": """contract membership subscription licence license term vertrag vertrags abo contrat abonnement
        contrato contratto abbonamento avtal prenumeration umowa umowy abonament""",
    "end": """expiry expire expires expiration until end valid renewal ablauf bis ende gultig gueltig echeance fin
        vencimiento caducidad vencimento fim scadenza fine verval einde eind slut utgar giltig koniec konca wygasniecia
        waznosc waznosci""",
    "address": "address addresses adresse direccion endereco indirizzo adres adress",
    # Words of columns that look like the wanted ones and are not.
    "other": """birth dob age gender sex city town zip postal postcode state region country street phone tax vat
        taxes ship shipping shipped delivery delivered deliver carrier freight due update updated modified approved
        estimated limit registered signup joined since status type kind method balance profit margin fee tip session
        row week month year segment rating score review weight latitude longitude is has installments plan geburt
        geburts alter geschlecht stadt ort plz bundesland land strasse telefon mwst ust steuer liefer lieferung
        versand fracht fallig faellig geandert geaendert seit typ saldo gewinn monat jahr naissance ville pays tva
        taxe livraison expedition solde marge mois annee statut nacimiento edad ciudad pais iva envio entrega tipo
        estado mes ano nascimento idade cidade nascita eta citta paese consegna spedizione stato mese anno geboorte
        leeftijd stad plaats btw levering verzending soort maand jaar fulfilled fulfillment cancelled canceled
        cancellation cancel refund refunded refunds refunding void voided deleted synced extracted emitted loaded
        ingested inserted exported imported emission removed abandoned expected promised requested return returned
        returns compare tender change rest remaining outstanding test fivetran airbyte storno storniert erstattet
        geloscht annule annulee rembourse supprime cancelado reembolsado eliminado annullato rimborsato geannuleerd
        terugbetaald anulowano zwrot usunieto makulerad aterbetald borttagen raderad leverans moms urodzenia miasto
        kraj podatek dostawa wysylka""",
    "filler": "of the de la le du des do da del della dell den der die das het van el en und and et y e i l d unique t",
}
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}
_LONG_WORDS = [word for word in _MEANING if len(word) > 5]
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Letters that Unicode does not take apart into a Latin letter and a mark.
_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "đ": "d"})
UNKNOWN = "?"


def parts(header: str) -> list[str]:
    """The words of a header, without accents, in lower case: ``KundenNr`` is kunden, nr."""
    plain = unicodedata.normalize("NFKD", header.translate(_LETTERS))
    return [part.lower() for part in _PART.findall(plain.encode("ascii", "ignore").decode())]


@cache
def meanings(header: str) -> tuple[str, ...]:
    """What each word of a header means.

    Words written together are taken apart where all parts are known (``bestelldatum`` = order, date); a word with a
    slip in it is read as the known word that it resembles.

    Returns:
        Meanings in the order of the words, such as ``("customer", "id")``; ``"?"`` for a word that is not known.
    """
    words = [word for part in parts(header) for word in _known(part)]
    return tuple(meaning for word in words if (meaning := _MEANING.get(word, UNKNOWN)) != "filler")


def _known(part: str) -> tuple[str, ...]:
    if whole := _apart(part):
        return whole
    near = get_close_matches(part, _LONG_WORDS, n=1, cutoff=0.88) if len(part) > 5 else []
    return tuple(near) or (part,)


def _apart(part: str) -> tuple[str, ...]:
    if part in _MEANING:
        return (part,)
    for cut in range(len(part) - 2, 1, -1):
        if part[:cut] in _MEANING and (rest := _apart(part[cut:])):
            return (part[:cut], *rest)
    return ()
